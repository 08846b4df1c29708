"""The optimiser steps of one epoch; they can be left at any step and taken up again."""

from __future__ import annotations

import time
from collections.abc import Generator

from torch import Tensor

from core.device import empty_cache, send
from core.events import Event, Outcome, StepLogged, Warned
from core.loader import Batch
from core.memory import report
from core.meter import Meter
from core.metrics import Running
from core.run import Run, Stop, cache_rhythm
from core.saving import Diverged, Torn, all_finite, save_run
from core.stage import Stage
from core.step import halve, is_out_of_memory, take_step
from recipes.sections import Augment


def train_epoch(run: Run, stage: Stage, stop: Stop, meter: Meter) -> Generator[Event, None, Outcome | None]:
    """The steps that are still to be done of the epoch at the run's position.

    Returns STOPPED when asked to leave, OUT_OF_TIME when ``run.max_time`` is spent, else None; the run is at a step
    boundary then, with `run.running` read. Raises Diverged.
    """
    position = run.position
    stage.begin_epoch()
    augment = stage.augment(position.epoch, run.recipe.total_epochs)
    running = Running(run.device, run.running)
    every = cache_rhythm(stage.plan.memory.empty_cache_every, run.device, on_mps=5)
    for batch in meter.waiting(stage.train_loader.epoch(position.epoch, position.epoch_step)):
        rate = stage.set_rate(position.stage_step)
        running.add((yield from _step(run, stage, batch, augment)))
        position.step, position.stage_step = position.step + 1, position.stage_step + 1
        position.epoch_step += 1
        if every and position.epoch_step % every == 0:
            empty_cache(run.device)
        leaving, saving = _leaving(run, stop), _save_due(run)
        if meter.count(len(batch.labels)) or leaving or saving or run.careful:
            _check(run, stage, batch)
            before, run.running, run.spent = run.running, running.read(), meter.spent
            meter.read()
            yield _logged(run, stage, meter, before, rate)
        if saving:
            yield from save_run(run, stage)
        if leaving is not None:
            break
    else:
        leaving = None
    _check(run, stage, None)
    meter.stop()
    run.running, run.spent = running.read(), meter.spent
    return leaving


def _step(run: Run, stage: Stage, batch: Batch, augment: Augment) -> Generator[Event, None, Tensor]:
    """One step; when the device has no room, the same step again with a smaller micro-batch."""
    learner = stage.learner
    while True:
        asked = learner.micro_batch
        try:
            images, labels = send(batch.images, run.device), send(batch.labels, run.device)
            row = take_step(learner, images, labels, augment, run.position.step)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            message = halve(learner, len(batch.labels), report(run.device))
        else:
            if learner.micro_batch > asked:
                yield Warned("batch_norm", f"BatchNorm needs two images at once: micro-batch {asked} -> 2")
            return row
        run.micro_batch = learner.micro_batch
        yield Warned("out_of_memory", message)
        if learner.updating:
            raise Torn


def _leaving(run: Run, stop: Stop) -> Outcome | None:
    if stop():
        return Outcome.STOPPED
    limit = run.recipe.run.max_time
    return Outcome.OUT_OF_TIME if limit is not None and run.seconds >= limit else None


def _save_due(run: Run) -> bool:
    every = run.recipe.run.checkpoint_every
    return every > 0 and time.monotonic() - run.saved_at >= every


def _check(run: Run, stage: Stage, batch: Batch | None) -> None:
    """Raise Diverged when a step since the last check was not finite. Waits for the device."""
    learner = stage.learner
    hopeless = learner.scaler is not None and learner.scaler.get_scale() < 1.0  # no scale is left to blame
    if not bool(learner.bad) and not hopeless and (not run.careful or all_finite(run)):
        return
    known = batch is not None and run.careful
    raise Diverged(tuple(run.manifest.paths[index] for index in batch.indices.tolist()) if batch and known else ())


def _logged(run: Run, stage: Stage, meter: Meter, before: list[float], rate: float) -> StepLogged:
    images, loss, right = run.running
    position = run.position
    return StepLogged(
        phase="train",
        stage=stage.plan.name,
        epoch=position.epoch,
        epoch_step=position.epoch_step,
        epoch_steps=stage.span.per_epoch,
        step=position.step,
        loss=(loss - before[1]) / max(images - before[0], 1.0),
        accuracy=right / max(images, 1.0),
        lr=rate,
        images_per_second=meter.images_per_second,
        loader_wait=meter.loader_wait,
        memory=run.memory.read(),
        eta_seconds=_time_left(run, stage, meter),
    )


def _time_left(run: Run, stage: Stage, meter: Meter) -> float | None:
    """Seconds until the end of the run at the present speed, validation included once one has been timed."""
    if meter.step_seconds is None:
        return None
    epochs = run.recipe.total_epochs - run.position.epoch + 1
    left = (run.total_steps - run.position.step) * meter.step_seconds + epochs * stage.val_seconds
    limit = run.recipe.run.max_time
    return max(0.0, left if limit is None else min(left, limit - run.seconds))

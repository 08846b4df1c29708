"""The training loop: step, validate, checkpoint, and an event for everything the world should know."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

from core.epoch import train_epoch
from core.events import Event, Outcome, RunFinished
from core.features import Interrupted
from core.finish import finish
from core.meter import Meter
from core.prepare import prepare, run_started
from core.recover import go_back
from core.run import Run, Stop
from core.saving import Diverged, Torn, record_epoch, save_run
from core.stage import Stage, observe, open_stage, wants_to_stop
from core.validate import validate
from recipes.recipe import Recipe


def train(
    recipe: Recipe,
    run_dir: Path,
    *,
    datasets: Path,
    stop: Stop = lambda: False,
    init_from: Path | None = None,
    halve: bool = False,
) -> Iterator[Event]:
    """Train `recipe` in `run_dir`, or go on with what is there; yields what happens, ends with RunFinished.

    `stop` is asked at every step boundary and batch of validation: True means a checkpoint and
    RunFinished(STOPPED). `datasets` is where data sets lie that clf fetches itself. `halve` takes at most half of the
    recipe's micro-batch: the system killed an earlier attempt for its memory. Raises JobError.
    """
    run = yield from prepare(recipe, run_dir, datasets=datasets, init_from=init_from, halve=halve)
    yield run_started(run)
    if run.position.step == 0:
        yield from save_run(run, None)  # so that there is always something to go back to
    leaving: Outcome | None = None
    while run.unfinished and leaving is not Outcome.STOPPED:
        try:
            stage = yield from open_stage(run, stop)
        except Interrupted:
            leaving = Outcome.STOPPED
            break
        yield stage.started()
        try:
            leaving = yield from _train_stage(run, stage, stop)
        except (Diverged, Torn) as trouble:
            yield from go_back(run, trouble)
        finally:
            stage.close()
    if leaving is not Outcome.STOPPED:
        yield from finish(run, stop)
    else:
        yield RunFinished(Outcome.STOPPED, run.position.epoch, run.position.step)


def _train_stage(run: Run, stage: Stage, stop: Stop) -> Generator[Event, None, Outcome | None]:
    """The epochs of a stage from the run's position on; STOPPED when asked to leave."""
    while run.position.stage == stage.index:
        meter = Meter(*run.spent)
        leaving = yield from train_epoch(run, stage, stop, meter)
        metrics = None
        if leaving is not Outcome.STOPPED:
            metrics = yield from validate(run, stage, stop)
        if metrics is None:
            yield from save_run(run, stage)
            return Outcome.STOPPED
        yield from record_epoch(run, stage, metrics, meter)
        observe(stage, metrics["val/loss"])
        if leaving is Outcome.OUT_OF_TIME and not run.at_last_step:
            yield run.end_for_time()
        elif wants_to_stop(stage, metrics) and not run.at_last_step:
            run.leave_stage()
        else:
            run.next_epoch()
        same_stage = run.position.stage == stage.index
        run.set_image_size()  # before saving: a checkpoint holds the shapes of the stage it goes on with
        yield from save_run(run, stage if same_stage or not run.unfinished else None)  # a longer run may go on from it
    return None

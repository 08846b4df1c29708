"""Going back to the last good checkpoint: after numbers that were not finite, or an update that broke off."""

from __future__ import annotations

from collections.abc import Iterator

from core.checkpoint import load_last
from core.events import Event, Warned
from core.prepare import take_up
from core.run import Run
from core.saving import Diverged, Torn
from recipes.errors import JobError, NonFiniteError, OutOfMemoryError

RETURNS = 3  # to a good checkpoint before the run is given up
SHOWN_FILES = 8


def go_back(run: Run, trouble: Diverged | Torn) -> Iterator[Event]:
    """Put `run` back to its last checkpoint. After numbers that were not finite, every step is checked from there until
    the bad one is passed.

    Raises NonFiniteError, naming the files of the batch, after three returns to no avail.
    """
    step, micro_batch = run.position.step, run.micro_batch
    saved, damage = load_last(run.folder)
    if damage:
        yield Warned("damaged_checkpoint", damage)
    if saved is None or (isinstance(trouble, Diverged) and run.returns >= RETURNS):
        raise _given_up(step, trouble)
    take_up(run, saved)
    run.micro_batch = micro_batch or run.micro_batch  # the device has not grown since
    if isinstance(trouble, Torn):
        yield Warned("out_of_memory", f"the update of step {step} broke off: back to step {run.position.step}")
        return
    run.returns += 1
    run.careful_until = max(run.careful_until, step + 1)
    yield Warned(
        "non_finite",
        f"the loss or a gradient was not finite near step {step}{_named(trouble)}: back to step "
        f"{run.position.step} (return {run.returns} of {RETURNS})",
    )


def _given_up(step: int, trouble: Diverged | Torn) -> JobError:
    if isinstance(trouble, Torn):
        return OutOfMemoryError(
            f"memory ran out in the update of step {step}, and no checkpoint can be read", "try a smaller model"
        )
    return NonFiniteError(
        f"the loss or a gradient is not finite near step {step}{_named(trouble)}",
        "lower optim.lr, clip harder (optim.clip_grad_norm), use --precision fp32, or look at those files",
    )


def _named(diverged: Diverged) -> str:
    if not diverged.files:
        return ""
    more = len(diverged.files) - SHOWN_FILES
    names = ", ".join(diverged.files[:SHOWN_FILES])
    return f", in the batch of {names}" + (f" and {more} more" if more > 0 else "")

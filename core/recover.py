"""Going back to the last good checkpoint after a loss or gradient that was not finite."""

from __future__ import annotations

from collections.abc import Iterator

from core.checkpoint import load_last
from core.events import Event, Warned
from core.prepare import take_up
from core.run import Run
from core.saving import Diverged
from recipes.errors import NonFiniteError

RETURNS = 3  # to a good checkpoint before the run is given up
SHOWN_FILES = 8


def go_back(run: Run, diverged: Diverged) -> Iterator[Event]:
    """Put `run` back to its last checkpoint; from there every step is checked until the bad one is passed.

    Raises NonFiniteError, naming the files of the batch, after three returns to no avail.
    """
    step = run.position.step
    saved, trouble = load_last(run.folder)
    if trouble:
        yield Warned("damaged_checkpoint", trouble)
    if run.returns >= RETURNS or saved is None:
        raise NonFiniteError(
            f"the loss or a gradient is not finite near step {step}{_named(diverged)}",
            "lower optim.lr, clip harder (optim.clip_grad_norm), use --precision fp32, or look at those files",
        )
    take_up(run, saved)
    run.returns += 1
    run.careful_until = max(run.careful_until, step + 1)
    yield Warned(
        "non_finite",
        f"the loss or a gradient was not finite near step {step}{_named(diverged)}: back to step "
        f"{run.position.step} (return {run.returns} of {RETURNS})",
    )


def _named(diverged: Diverged) -> str:
    if not diverged.files:
        return ""
    more = len(diverged.files) - SHOWN_FILES
    names = ", ".join(diverged.files[:SHOWN_FILES])
    return f", in the batch of {names}" + (f" and {more} more" if more > 0 else "")

"""Where a training run can be killed: the instants of a run by name, counted, and a SIGKILL at the one asked for.

`lay` hooks into this process from outside (torch's global hooks, wrapped functions); the product knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import stat
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

import core.checkpoint
import core.epoch
import core.stage
import core.step
import core.train

Mark = tuple[str, int]  # an instant's name and how many of that name came up to it

FILES = {
    ".last_checkpoint.pt.new": "the new checkpoint",
    "last_checkpoint.pt": "the last checkpoint",
    "last_checkpoint.prev.pt": "the one before",
    "final_model.pt": "the final model",
    "history.json": "the history",
}


class Tripwire:
    """Counts the instants of this process by name and kills it at `target`."""

    def __init__(self, target: Mark | None) -> None:
        self.target = target
        self.counts: Counter[str] = Counter()
        self.phase = "start"

    def reach(self, name: str) -> None:
        """The process is at an instant called `name`."""
        self.counts[name] += 1
        if self.target == (name, self.counts[name]):
            os.kill(os.getpid(), signal.SIGKILL)


def lay(wire: Tripwire) -> None:
    """Put `wire` across this process for good; meant for a forked child."""
    _phases(wire)
    _in_a_step(wire)
    _around_files(wire)


def _phases(wire: Tripwire) -> None:
    """Keep `wire.phase`, and make every beginning and end of a phase an instant."""
    for module, name, phase in (
        (core.train, "prepare", "preparing"),
        (core.train, "open_stage", "a stage change"),
        (core.stage, "keep_features", "keeping features"),
        (core.train, "train_epoch", "training"),
        (core.train, "validate", "validation"),
        (core.train, "record_epoch", "an epoch's record"),
        (core.train, "save_run", "saving"),
        (core.epoch, "save_run", "saving"),
        (core.train, "finish", "the final test"),
    ):
        setattr(module, name, _named(wire, phase, getattr(module, name)))


def _named(wire: Tripwire, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
        outer, wire.phase = wire.phase, phase
        wire.reach(f"{phase}: begins or ends")
        try:
            return (yield from function(*arguments, **options))
        finally:
            wire.reach(f"{phase}: begins or ends")
            wire.phase = outer

    return wrapped


def _in_a_step(wire: Tripwire) -> None:
    def passed(module: nn.Module, _inputs: Any, output: Any) -> None:
        if next(module.children(), None) is not None or not isinstance(output, Tensor):
            return
        wire.reach(f"{wire.phase}: in a forward pass")
        if wire.phase == "training" and output.requires_grad:
            output.register_hook(lambda _gradient: wire.reach("training: in a backward pass"))

    def answered(*arguments: Any) -> Tensor:
        wire.reach("training: between micro-batches")
        return right_answers(*arguments)

    def averaged(*arguments: Any, **options: Any) -> None:
        update(*arguments, **options)
        wire.reach("training: weights and averages are updated")

    register_module_forward_hook(passed)
    register_optimizer_step_post_hook(lambda *_: wire.reach("training: weights are updated, averages are not"))
    right_answers, core.step.right_answers = core.step.right_answers, answered
    update = ModelEmaV3.update
    ModelEmaV3.update = averaged


def _around_files(wire: Tripwire) -> None:
    """Before and after everything that makes a file durable or visible, and in the middle of writing one."""
    write = core.checkpoint._Hashed.write

    def written(file: Any, data: Any) -> int:
        wire.reach(f"{wire.phase}: in the middle of a write")
        return write(file, data)

    core.checkpoint._Hashed.write = written  # type: ignore[method-assign]
    for name, place, what in (("replace", 1, "rename"), ("link", 1, "link"), ("fsync", 0, "flush")):
        setattr(os, name, _around(wire, getattr(os, name), place, what))


def _around(wire: Tripwire, function: Callable[..., Any], place: int, what: str) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **options: Any) -> Any:
        name = _described(arguments[place])
        wire.reach(f"saving: before the {what} of {name}")
        result = function(*arguments, **options)
        wire.reach(f"saving: after the {what} of {name}")
        return result

    return wrapped


def _described(target: int | str | Path) -> str:
    if not isinstance(target, int):
        return FILES.get(Path(target).name, "another file")
    return "a folder" if stat.S_ISDIR(os.fstat(target).st_mode) else "a file"

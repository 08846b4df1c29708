"""A stand-in for the training: the real child around a loop of short steps that checkpoints to a file.

What it does is in the recipe's description: "steps 20", then any of "fail", "crash 6" (die at step 6 the first
time), "always crash", "forget" (a crash before any checkpoint), "stall 3", "slow" (0.05 s a step), "print",
"import" (never gets to a step), "hungry" (takes 120 MB with every step), "jump 86400" (the clock is set at step 8),
"gate 3" (waits after step 3; the file "gate" in its run directory lets it go as far as the step it holds).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from core.events import (
    CheckpointSaved,
    EpochEnded,
    Event,
    MemoryReading,
    Outcome,
    Preparing,
    RunFinished,
    RunStarted,
    StageStarted,
    StepLogged,
)
from jobs.claims import Held
from jobs.run import main
from jobs.stopping import Stop
from recipes.errors import ConfigurationError
from recipes.home import Home
from recipes.recipe import Recipe

PER_EPOCH = 5
EATEN: list[bytes] = []


def events(_home: Home, attempt: Held, recipe: Recipe, stop: Stop) -> Iterator[Event]:
    words = recipe.description.split()
    steps = number(words, "steps", 10)
    if "import" in words:
        yield Preparing("loading torch", 0, 0)
        time.sleep(3600)
    done = load(attempt.run_dir)
    yield RunStarted(
        "stand-in", 1, attempt.device, "stand-in", "fp32", False, ("a", "b"), {"train": 2}, (("train", 1),),
        steps // PER_EPOCH, steps, done // PER_EPOCH, done, {},
    )  # fmt: skip
    yield StageStarted(0, "train", steps // PER_EPOCH, 1, PER_EPOCH, 8, 1, 1, False, 0)
    if "print" in words:
        print("a line from the training")
        raise_deep()
    if "fail" in words:
        raise ConfigurationError("no such model", "choose another")
    while done < steps:
        while closed(words, attempt.run_dir, done) and not stop():
            time.sleep(0.02)
        if stop():
            yield save(attempt.run_dir, done)
            yield RunFinished(Outcome.STOPPED, done // PER_EPOCH, done)
            return
        time.sleep(0.05 if "slow" in words else 0.005)
        done += 1
        epoch = (done - 1) // PER_EPOCH + 1
        yield StepLogged(
            "train", "train", epoch, (done - 1) % PER_EPOCH + 1, PER_EPOCH, done, 1 / done, 0.5, 0.1, 100.0, 0.0,
            MemoryReading(1000 + done), 1.0,
        )  # fmt: skip
        misbehave(words, attempt, done)
        if done % PER_EPOCH == 0:
            metrics = {"val/accuracy": done / steps, "val/loss": 1 / done}
            remember(attempt.run_dir, {"epoch": epoch, "stage": "train", "step": done, **metrics})
            yield EpochEnded("train", epoch, done, metrics, ("accuracy",))
            yield save(attempt.run_dir, done)
    yield RunFinished(Outcome.COMPLETED, steps // PER_EPOCH, steps, {"test/accuracy": 0.75, "test/f1": 0.7})


def closed(words: list[str], folder: Path, done: int) -> bool:
    """Whether it has come to its gate."""
    opened = folder / "gate"
    return "gate" in words and done >= int(opened.read_text() if opened.exists() else number(words, "gate", 0))


def misbehave(words: list[str], attempt: Held, done: int) -> None:
    if "hungry" in words:
        EATEN.append(b"x" * 120_000_000)
    if "jump" in words and done == 8:
        set_clock(number(words, "jump", 0))
    if "stall" in words and done == number(words, "stall", 3):
        time.sleep(3600)
    if "forget" in words or ("always" in words and done > 6):
        os.kill(os.getpid(), signal.SIGKILL)
    if "crash" in words and "always" not in words and attempt.attempt == 1 and done == number(words, "crash", 6):
        os.kill(os.getpid(), signal.SIGSEGV)


def set_clock(seconds: float) -> None:
    """As if somebody set the clock of the machine while this process runs."""
    real = time.time
    time.time = lambda: real() + seconds


def raise_deep() -> None:
    raise RuntimeError("deep down")


def number(words: list[str], name: str, default: int) -> int:
    return int(words[words.index(name) + 1]) if name in words else default


def load(folder: Path) -> int:
    path = folder / "last_checkpoint.pt"
    return int(path.read_text()) if path.exists() else 0


def remember(folder: Path, epoch: dict[str, float | str]) -> None:
    path = folder / "history.json"
    path.write_text(json.dumps([*(json.loads(path.read_text()) if path.exists() else []), epoch]))


def save(folder: Path, done: int) -> CheckpointSaved:
    path = folder / "last_checkpoint.pt"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(str(done))
    temporary.replace(path)
    return CheckpointSaved(path, "last", done // PER_EPOCH, done)


if __name__ == "__main__":
    sys.exit(main(events=events))

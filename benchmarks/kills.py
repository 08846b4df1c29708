"""A training that is killed again and again ends as one that never was: bit for bit, on the CPU.

    python benchmarks/kills.py [--kills 200] [--each 2] [--seed 0] [--keep DIR]

Two small recipes (32 px, two stages): one with mixing, averaged weights and accumulation; one in fp16 whose frozen
stage keeps its features and whose rate and patience listen to validation. Every run is a process of its own that is
killed with SIGKILL `--each` times, at an instant of every kind in turn (in a forward pass, between the rename of a
checkpoint and the flush of its folder...) and at random times, then goes on to its end. Weights, averages, optimiser,
scaler, schedule, patience, records, best files, predictions are compared with those of an uninterrupted run. Exit code
1 on any difference.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks.tripwire import Mark, Tripwire, lay  # noqa: E402
from core.checkpoint import load  # noqa: E402
from core.data import ensure_data  # noqa: E402
from core.events import Event, Outcome, RunFinished  # noqa: E402
from core.train import train  # noqa: E402
from recipes.recipe import Recipe  # noqa: E402

TIMES = frozenset({"run/seconds", "run/images_per_second", "seconds"})
RANDOM = "at a random time"
NEEDED = ("core.augment", "core.report", "matplotlib.backends.backend_agg")  # what a run imports on its way
SMALL: dict[str, Any] = {
    "data": {"source": "digits", "samples": 48, "workers": 0},
    "optim": {"lr": 0.003},
    "schedule": {"warmup_epochs": 0},
}
FIXED = {"batch_size": 16, "precision": "fp32", "channels_last": False}
STAGES = [{"name": "head", "epochs": 1, "freeze": "backbone"}, {"name": "finetune", "epochs": 2}]
RECIPES = {
    "mixed": SMALL
    | {
        "model": {"name": "test_resnet", "pretrained": False, "dropout": 0.2, "drop_path": 0.1},
        "augment": {"level": "medium", "mixup_alpha": 0.2, "cutmix_alpha": 1.0},
        "run": FIXED | {"epochs": 3, "accumulation": 2, "ema_decay": 0.9, "checkpoint_every": 0.05},
        "stages": STAGES,
    },
    "features": SMALL
    | {
        "model": {"name": "test_resnet", "pretrained": False, "head": "mlp", "dropout": 0.2},
        "augment": {"level": "none"},
        "optim": {"lr": 0.01},  # fast enough for a validation that gets worse, and a rate that drops
        "schedule": {"name": "plateau", "plateau_patience": 0},
        "run": FIXED | {"epochs": 3, "checkpoint_every": 1e-9, "precision": "fp16", "early_stopping": {"patience": 9}},
        "stages": STAGES,
    },
}


@dataclass(frozen=True)
class Whole:
    """An uninterrupted run: its folder, how long it took, and how often each instant came."""

    recipe: Recipe
    folder: Path
    seconds: float
    counts: Counter[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--each", type=int, default=2, help="kills per run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--image-size", type=int, default=32, help="px; a quarter more in the second stage")
    parser.add_argument("--keep", type=Path, help="where the runs are left; otherwise a temporary folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in NEEDED:  # once, here: a child that is forked has them
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        home = options.keep or Path(folder)
        recipes = [at_size(name, options.image_size) for name in RECIPES]
        began = time.monotonic()
        rows, differing = kill_and_compare(recipes, home, options.kills, options.each, random.Random(options.seed))
        show(rows, differing)
        print(f"{sum(rows.values())} kills in {time.monotonic() - began:.0f} s")
    return 1 if differing else 0


def at_size(name: str, side: int) -> Recipe:
    """The recipe with images of `side` pixels, larger ones in its last stage."""
    head, last = STAGES
    data, larger = SMALL["data"] | {"image_size": side}, {"data": {"image_size": side * 5 // 4}}
    return Recipe.model_validate(RECIPES[name] | {"name": name, "data": data, "stages": [head, last | larger]})


def kill_and_compare(
    recipes: list[Recipe], home: Path, kills: int, each: int, chance: random.Random
) -> tuple[Counter[str], dict[str, int]]:
    """Kills by kind, and how many of those were in a run that ended otherwise than the uninterrupted one."""
    for _ in ensure_data(recipes[0].data, home / "datasets"):
        pass
    wholes = [uninterrupted(home, recipe) for recipe in recipes]
    plans = [schedule(whole, chance) for whole in wholes]
    missed: list[list[Mark]] = [[], []]
    rows: Counter[str] = Counter()
    differing: dict[str, int] = defaultdict(int)
    number = 0
    while sum(rows.values()) < kills:
        whole, plan, waiting = wholes[number % 2], plans[number % 2], missed[number % 2]
        folder, number = home / f"run{number:03d}", number + 1
        marks = [*waiting[:1], *islice(plan, each - len(waiting[:1]))]  # at the start of a run every instant is ahead
        came = [(mark, killed(whole, folder, mark, chance)) for mark in marks]
        waiting[:] = waiting[1:] + [mark for mark, hit in came if not hit and mark[0] != RANDOM]
        done = [kind for (kind, _), hit in came if hit]
        rows.update(done)
        complete(whole.recipe, folder)
        if wrong := differences(whole.folder, folder):
            print(f"{folder.name}, killed {' and '.join(done)}:", *wrong[:10], sep="\n    ", file=sys.stderr)
            for kind in done:
                differing[kind] += 1
    return rows, differing


def uninterrupted(home: Path, recipe: Recipe) -> Whole:
    """Train to the end while counting the instants."""
    name, folder = recipe.name, home / recipe.name
    began = time.monotonic()
    child = fork(recipe, folder, None, home / f"{name}.json")
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise SystemExit(f"the uninterrupted run {name} failed")
    counts = Counter(json.loads((home / f"{name}.json").read_text()))
    return Whole(recipe, folder, time.monotonic() - began, counts)


def schedule(whole: Whole, chance: random.Random) -> Iterator[Mark]:
    """An instant of every phase in turn, of all its kinds in turn, and random times in between."""
    phases: dict[str, list[str]] = defaultdict(list)
    for kind in sorted(whole.counts):
        phases[kind.partition(":")[0]].append(kind)
    for kinds in phases.values():
        chance.shuffle(kinds)
    names = sorted(phases)
    for turn in count():
        chance.shuffle(names)
        for number, name in enumerate(names):
            kind = phases[name][turn % len(phases[name])]
            yield kind, chance.randint(1, whole.counts[kind])
            if number % 4 == 0:
                yield RANDOM, 0


def killed(whole: Whole, folder: Path, mark: Mark, chance: random.Random) -> bool:
    """Train in `folder` until the process is killed; False when it reached its end before."""
    child = fork(whole.recipe, folder, mark, None)
    if mark[0] == RANDOM:
        time.sleep(chance.uniform(0.0, whole.seconds))
        os.kill(child, 9)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code > 0:
        raise SystemExit(f"a run failed in {folder}")
    return code == -9


def complete(recipe: Recipe, folder: Path) -> None:
    """Train in `folder` to the end."""
    if os.waitstatus_to_exitcode(os.waitpid(fork(recipe, folder, None, None), 0)[1]):
        raise SystemExit(f"the run in {folder} could not go on")


def fork(recipe: Recipe, folder: Path, mark: Mark | None, counts: Path | None) -> int:
    """The id of a new process that trains in `folder`, with a wire at `mark`; it writes `counts` at its end."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        wire = Tripwire(mark)
        lay(wire)
        last: Event | None = None
        for event in train(recipe, folder, datasets=folder.parent / "datasets"):
            wire.reach("between two events")
            last = event
        assert isinstance(last, RunFinished)
        assert last.outcome is Outcome.COMPLETED
        if counts is not None:
            counts.write_text(json.dumps(wire.counts))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def differences(one: Path, other: Path) -> list[str]:
    """What is not the same in two run directories, but for times and the checkpoint before the last."""
    names = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in (one, other)]
    if names[0] != names[1]:
        return [f"files: {set(names[0]) ^ set(names[1])}"]
    found: list[str] = []
    for name in names[0]:
        paths = (one / name, other / name)
        if name.endswith(".prev.pt"):
            load(paths[1])
        elif name.endswith(".pt"):
            found += unequal(name, *(load(path) for path in paths))
        elif name.endswith(".json"):
            found += unequal(name, *(json.loads(path.read_text()) for path in paths))
        elif paths[0].is_file() and paths[0].read_bytes() != paths[1].read_bytes():
            found.append(name)
    return found


def unequal(name: str, one: Any, other: Any) -> list[str]:
    """The places where two structures of tensors and plain data differ in any bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [name]
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = ((f"{name}/{key}", one[key], other[key]) for key in one if key not in TIMES)
        return [line for pair in pairs for line in unequal(*pair)]
    if name.endswith("/history") and isinstance(one, str) and isinstance(other, str):
        return unequal(f"{name}:", json.loads(one), json.loads(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        places = enumerate(zip(one, other, strict=True))
        return [line for place, pair in places for line in unequal(f"{name}/{place}", *pair)]
    return [] if type(one) is type(other) and one == other else [f"{name}: {one!r:.80} and {other!r:.80}"]


def show(rows: Counter[str], differing: dict[str, int]) -> None:
    """The table: a kind of instant, how often a run was killed there, how often it then ended otherwise."""
    width = max(map(len, rows), default=0)
    print(f"{'killed':{width}}  times  ended the same")
    for kind, times in sorted(rows.items()):
        print(f"{kind:{width}}  {times:5}  {times - differing.get(kind, 0):14}")
    print(f"{'all':{width}}  {sum(rows.values()):5}  {sum(rows.values()) - sum(differing.values()):14}")


if __name__ == "__main__":
    sys.exit(main())

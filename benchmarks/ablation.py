"""What each technique changes: test accuracy of `two_stage` with one thing different at a time, equal epochs.

    python benchmarks/ablation.py --data DIR [--weights FILE] [--model tf_efficientnet_lite0] [--image-size 128]
                                  [--epochs 6] [--seeds 0,1,2] [--arms NAME,NAME] [--jobs 2] [--results FILE]

Every arm trains once per seed; the seed changes the validation split, the first weights of the classifier, the order
of the images and their augmentation. `--jobs` runs train side by side, each with its share of the cores. Finished
runs are kept in `--results` (JSON), so that an ablation that was stopped goes on where it was. Ends with a Markdown
table: mean and range over the seeds, and the mean difference to the first arm, seed by seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

UNMIXED = {"mixup_alpha": 0.0, "cutmix_alpha": 0.0}


@dataclass(frozen=True)
class Arm:
    """A recipe and what is changed in it."""

    label: str
    recipe: str
    changes: dict[str, Any]


ARMS = {
    "no_mixing": Arm("two-stage, no mixing", "two_stage", {"augment": UNMIXED}),
    "mixup": Arm("+ mixup 0.2", "two_stage", {"augment": {**UNMIXED, "mixup_alpha": 0.2}}),
    "cutmix": Arm("+ cutmix 1.0", "two_stage", {"augment": {**UNMIXED, "cutmix_alpha": 1.0}}),
    "two_stage": Arm("+ mixup and cutmix (`two_stage` as it is)", "two_stage", {}),
    "randaugment": Arm(
        "+ RandAugment n = 2, m = 9, p = 0.3",
        "two_stage",
        {"augment": {**UNMIXED, "randaugment": {"n": 2, "m": 9, "p": 0.3}}},
    ),
    "ema": Arm("+ EMA 0.98", "two_stage", {"augment": UNMIXED, "run": {"ema_decay": 0.98}}),
    "single_stage": Arm(
        "one stage instead of two, no mixing",
        "single_stage_b3",
        {"augment": UNMIXED, "schedule": {"warmup_epochs": 1}},
    ),
}


@dataclass(frozen=True)
class Result:
    """One finished run; accuracy, f1 in 0..1, loss in nats per image, seconds of training."""

    arm: str
    seed: int
    accuracy: float
    f1: float
    loss: float
    seconds: float


def main() -> None:
    options = asked()
    results = read(options)
    done = {(result.arm, result.seed) for result in results}
    wanted = [(arm, seed) for seed in options.seeds for arm in options.arms]
    for result in measured([run for run in wanted if run not in done], options):
        results.append(result)
        write(options, results)
        print(f"{len(results)}/{len(wanted)}  {result.arm}, seed {result.seed}: test accuracy {result.accuracy:.1%}, "
              f"macro F1 {result.f1:.1%}, {result.seconds:.0f} s", flush=True)  # fmt: skip
    print("\n" + table(results, options.arms))


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--arms", type=lambda text: text.split(","), default=list(ARMS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir()) / "clf-ablation.json")
    options = parser.parse_args()
    if unknown := set(options.arms) - set(ARMS):
        parser.error(f"no arm named {', '.join(sorted(unknown))}; there are {', '.join(ARMS)}")
    return options


def measured(runs: list[tuple[str, int]], options: argparse.Namespace) -> Iterator[Result]:
    """Each run as it ends; every run in a process of its own, so that none inherits another's state."""
    threads = max(1, (psutil.cpu_count(logical=False) or 1) // options.jobs)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(one_run, arm, seed, options, threads) for arm, seed in runs]):
            yield future.result()


def one_run(arm: str, seed: int, options: argparse.Namespace, threads: int) -> Result:
    """Train and test; the numbers of the final model on the test split."""
    import torch

    from core.events import RunFinished
    from core.train import train
    from recipes.find import load
    from recipes.merge import merge

    torch.set_num_threads(threads)
    recipe = load(ARMS[arm].recipe, overrides=merge(setting(seed, options), ARMS[arm].changes))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        events = train(recipe, Path(folder) / "run", datasets=Path(folder) / "datasets")
        (end,) = [event for event in events if isinstance(event, RunFinished)]
    scores = end.metrics
    seconds = time.monotonic() - started
    return Result(arm, seed, scores["test/accuracy"], scores["test/f1"], scores["test/loss"], seconds)


def setting(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """What all arms share."""
    model: dict[str, Any] = {"name": options.model, "pretrained": options.weights is not None}
    if options.weights is not None:
        model["weights"] = str(options.weights.absolute())
    return {
        "data": {"source": str(options.data.absolute()), "image_size": options.image_size, "workers": 1},
        "model": model,
        "run": {
            "epochs": options.epochs,
            "batch_size": options.batch_size,
            "precision": options.precision,
            "seed": seed,
        },
    }


def table(results: list[Result], arms: list[str]) -> str:
    """Markdown: a row an arm, in the order of `arms`."""
    lines = [
        "| | test accuracy, mean (range) | macro F1 | test loss | against the first row |",
        "|---|---|---|---|---|",
    ]
    base = {result.seed: result.accuracy for result in results if result.arm == arms[0]}
    for arm in arms:
        mine = [result for result in results if result.arm == arm]
        if not mine:
            continue
        accuracy = [result.accuracy for result in mine]
        gains = [100 * (result.accuracy - base[result.seed]) for result in mine if result.seed in base]
        gain = "" if arm == arms[0] or not gains else f"{mean(gains):+.1f} ({min(gains):+.1f} to {max(gains):+.1f})"
        lines.append(
            f"| {ARMS[arm].label} | {mean(accuracy):.1%} ({min(accuracy):.1%} to {max(accuracy):.1%}) "
            f"| {mean([result.f1 for result in mine]):.1%} | {mean([result.loss for result in mine]):.3f} | {gain} |"
        )
    return "\n".join(lines)


def mean(values: list[float]) -> float:
    return statistics.fmean(values)


def read(options: argparse.Namespace) -> list[Result]:
    """What an earlier call with the same settings measured."""
    if not options.results.exists():
        return []
    kept = json.loads(options.results.read_text())
    if kept["setting"] != setting(0, options):
        raise SystemExit(f"{options.results} holds runs with other settings: give another file with --results")
    return [Result(**row) for row in kept["results"]]


def write(options: argparse.Namespace, results: list[Result]) -> None:
    kept = {"setting": setting(0, options), "results": [asdict(result) for result in results]}
    options.results.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()

"""Images per second of the bare training step, of the loader alone, and of clf's loop; and the loop's share.

    python benchmarks/step.py --data DIR [--model tf_efficientnet_lite0] [--weights FILE] [--image-size 224]
                              [--batch-size 32] [--precision fp32] [--steps 30] [--set section.key=value ...]
    python benchmarks/step.py --data DIR --techniques [NAME ...] [--steps 2] [--rounds 3] [--batch-size 16] ...

The bare step is a forward pass, cross-entropy, a backward pass and an AdamW update over one synthetic batch that is
already on the device. It is measured before and after the loop, since a shared machine is not equally fast all day.
CPU seconds per image are printed beside it: other programs do not distort them (use OMP_NUM_THREADS=1 on a busy
machine, where waiting threads spin). The loop is `core.train.train` with everything it does: loader, normalisation,
mixing, clipping, readings.

With --techniques it measures instead what each costs (benchmarks/techniques.py): those whose name begins so, or all but
compile, which takes minutes before its first step.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from speed import Clock, Speed
from techniques import report

from core.device import choose, describe, synchronize
from core.events import CheckpointSaved, EpochEnded, RunStarted, StepLogged
from core.loader import Loader, auto_workers
from core.manifest import build_manifest
from core.models import build
from core.optim import build_optimizer
from core.precision import Numbers
from core.train import train
from recipes.find import load
from recipes.merge import assignments, merge
from recipes.recipe import Recipe

WARM_UP = 3  # steps before the clock starts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--channels-last", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--steps", type=int, help="of a measurement: 30, of a turn with --techniques: 2")
    parser.add_argument("--techniques", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each loop, with --techniques")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    recipe = described(options)
    device = choose(recipe.run.device)
    numbers = Numbers(options.precision, options.channels_last)
    print(f"{recipe.model.name}, {options.image_size} px, batch {options.batch_size}, {options.precision}, "
          f"channels_last {options.channels_last}, {describe(device)}, {torch.get_num_threads()} threads")  # fmt: skip
    if options.techniques is not None:
        report(recipe, options.steps or 2, options.rounds, tuple(options.techniques))
        return
    steps = options.steps or 30
    before = bare_step(recipe, numbers, device, steps)
    loader = loader_alone(recipe, device)
    loop = whole_loop(recipe)
    after = bare_step(recipe, numbers, device, steps)
    bare = Speed((before.images + after.images), before.seconds + after.seconds, before.cpu + after.cpu)
    print(f"bare step    {bare}   ({before.rate:.1f} before, {after.rate:.1f} after)")
    print(f"loader alone {loader}")
    share = loop.rate / min(bare.rate, loader.rate)
    print(f"loop         {loop}   {share:.1%} of the smaller of the two")
    print(f"by CPU time the loop runs at {bare.cost / loop.cost:.1%} of the bare step")


def described(options: argparse.Namespace) -> Recipe:
    """One epoch of single_stage_b3's settings with the model and size asked for."""
    settings = {
        "data": {"source": str(options.data.absolute()), "image_size": options.image_size},
        "model": {"name": options.model, "pretrained": False, "dropout": 0.0, "drop_path": 0.0},
        "schedule": {"warmup_epochs": 0},
        "run": {
            "epochs": 2,
            "batch_size": options.batch_size,
            "precision": options.precision,
            "channels_last": options.channels_last,
            "device": options.device,
        },
    }
    if options.weights is not None:
        settings["model"]["weights"] = str(options.weights.absolute())
    return load("single_stage_b3", overrides=merge(settings, assignments(options.set)))


def bare_step(recipe: Recipe, numbers: Numbers, device: torch.device, steps: int) -> Speed:
    """`steps` updates over one synthetic batch."""
    (plan,) = recipe.plan()
    size, side = int(plan.run.batch_size), plan.data.image_size
    network = build(recipe.model, 12, side, fetch=False).to(device)
    network.to(memory_format=torch.channels_last if numbers.channels_last else torch.contiguous_format).train()
    optimizer = build_optimizer(plan.optim, network.body)
    layout = torch.channels_last if numbers.channels_last else torch.contiguous_format
    images = torch.randn(size, 3, side, side, device=device).contiguous(memory_format=layout)
    labels = torch.randint(0, 12, (size,), device=device)
    clock = Clock()
    for step in range(WARM_UP + steps):
        if step == WARM_UP:
            synchronize(device)
            clock = Clock()
        optimizer.zero_grad(set_to_none=True)
        with numbers.autocast(device):
            scores = network(images)
        F.cross_entropy(scores.float(), labels).backward()
        optimizer.step()
    synchronize(device)
    return clock.read(steps * size)


def loader_alone(recipe: Recipe, device: torch.device) -> Speed:
    """The training loader over one epoch after a first one."""
    (plan,) = recipe.plan()
    manifest = build_manifest(recipe.data, recipe.run.seed, Path(tempfile.gettempdir()))
    workers = auto_workers(len(manifest.paths), plan.data.image_size, device.type)
    size = int(plan.run.batch_size)
    loader = Loader(manifest, "train", plan, seed=0, train=True, batch_size=size, workers=workers)
    try:
        for _ in loader.epoch(1):
            pass
        clock = Clock()
        return clock.read(sum(len(batch.labels) for batch in loader.epoch(2)))
    finally:
        loader.close()


def whole_loop(recipe: Recipe) -> Speed:
    """The second epoch of a real run, up to its last reading: the first one also starts processes and finds kernels."""
    clock, speed, size, images = Clock(), Speed(1, 1.0, 1.0), int(recipe.plan()[0].run.batch_size), 0
    with tempfile.TemporaryDirectory() as folder:
        for event in train(recipe, Path(folder) / "run", datasets=Path(folder) / "datasets"):
            if isinstance(event, RunStarted):
                images = event.images["train"]
                print(f"loop: {event.images['train']} images, {event.steps} steps, {event.parameters / 1e6:.1f} M")
            if isinstance(event, CheckpointSaved) and event.kind == "last":
                clock = Clock()
            if isinstance(event, StepLogged) and event.phase == "train" and event.epoch == 2:
                speed = clock.read(min(images, event.epoch_step * size))  # the last batch is smaller
            if isinstance(event, EpochEnded) and event.epoch == 2:
                break
    return speed


if __name__ == "__main__":
    main()

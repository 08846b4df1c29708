"""One optimiser step: mixing, micro-batches, autocast, clipping, the averaged weights, and recovery without memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.optim import Optimizer

from core.device import empty_cache
from core.ema import update_average
from core.losses import Criterion
from core.mixing import Mixed, mix
from core.models import Network
from core.optim import clip
from core.precision import Numbers
from core.run import step_seed
from recipes.errors import ConfigurationError, OutOfMemoryError
from recipes.sections import Augment

NO_ROOM = (
    "out of memory",
    "not enough memory",  # the host, Windows
    "can't allocate memory",  # the host
    "ALLOC_FAILED",  # cuBLAS and cuDNN, for their own buffers
    "unable to find an engine",  # cuDNN, which tried every algorithm and had no room for any
    "valid cuDNN algorithm",  # the same
    "Invalid buffer size",  # MPS, for a single tensor
)


@dataclass
class Learner:
    """What a step works on; lives as long as a stage."""

    network: Network
    average: ModelEmaV3 | None
    optimizer: Optimizer
    criterion: Criterion
    numbers: Numbers
    scaler: torch.amp.GradScaler | None
    device: torch.device
    clip_grad_norm: float
    micro_batch: int
    seed: int

    def __post_init__(self) -> None:
        self.parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.moving = _moving_statistics(self.network)
        self.spare = [torch.empty_like(buffer) for buffer in self.moving]
        self.smallest = 2 if any(isinstance(module, nn.BatchNorm1d) for module in self.network.modules()) else 1
        self.micro_batch = max(self.micro_batch, self.smallest)
        self.updating = False  # stays True after an update that broke off: the weights are then of no step
        self.bad = torch.zeros((), dtype=torch.bool, device=self.device)  # a loss or gradient was not finite
        self.skipped = torch.zeros((), dtype=torch.int64, device=self.device)  # fp16 steps left out for it


def take_step(learner: Learner, images: Tensor, labels: Tensor, augment: Augment, step: int) -> Tensor:
    """Update the weights with one batch: uint8 images ``(N, 3, H, W)`` and labels ``(N,)`` on the device.

    Returns ``(3,)`` on the device: images, loss x images, right. Nothing here waits for the device but fp16's loss
    scaler, which asks whether to step. Under mixing an image counts as right by lam for its own label and by 1 - lam
    for the other's. A RuntimeError for want of memory leaves weights, statistics and optimiser as they were before the
    step, unless `learner.updating` is left True. A step that fp16 leaves out moves no statistics either and counts no
    image. Where BatchNorm meets a map of one pixel, no part has fewer than two images from then on; raises
    ConfigurationError for a batch of one.
    """
    torch.manual_seed(step_seed(learner.seed, step))
    floats = learner.network.normalize(images, learner.numbers.channels_last)
    mixed = mix(floats, labels, augment, seed=learner.seed, step=step)
    _copy(learner.spare, learner.moving)
    learner.optimizer.zero_grad(set_to_none=True)
    try:
        loss, right = _passes(learner, mixed)
    except (RuntimeError, ValueError) as error:
        learner.optimizer.zero_grad(set_to_none=True)
        _copy(learner.moving, learner.spare)
        if "more than 1 value per channel" not in str(error):
            raise
        _take_two_at_least(learner, labels.numel())
        return take_step(learner, images, labels, augment, step)
    learner.updating = True
    bad = _update(learner, loss, step)
    learner.updating = False
    row = torch.stack([loss.new_full((), labels.numel()), loss * labels.numel(), right])
    return row if learner.scaler is None else torch.where(bad, 0.0, row)


def _take_two_at_least(learner: Learner, batch: int) -> None:
    if batch < 2:
        raise ConfigurationError("BatchNorm cannot learn from a batch of one image", "use run.batch_size=2 or more")
    learner.smallest = 2
    learner.micro_batch = max(2, learner.micro_batch)


def _passes(learner: Learner, mixed: Mixed) -> tuple[Tensor, Tensor]:
    """Forward and backward over the micro-batches; the loss of the whole batch and its right answers."""
    whole = (learner.criterion.weight(mixed.labels_a), learner.criterion.weight(mixed.labels_b))
    losses, rights = [], []
    for part in cut(mixed, learner.micro_batch, learner.smallest):
        with learner.numbers.autocast(learner.device):
            scores = learner.network(part.images)
        loss = learner.criterion.part(scores, part, whole)
        (learner.scaler.scale(loss) if learner.scaler else loss).backward()
        losses.append(loss.detach())
        rights.append(right_answers(scores.detach(), part))
    return torch.stack(losses).sum(), torch.stack(rights).sum()


def cut(mixed: Mixed, micro_batch: int, smallest: int = 1) -> Iterator[Mixed]:
    """The batch in parts of at most `micro_batch` images, as equal as they can be; one more where a part would have
    fewer than `smallest`."""
    batch = mixed.labels_a.numel()
    pieces = min(-(-batch // micro_batch), batch // smallest)
    if pieces <= 1:
        yield mixed
        return
    triples = zip(
        mixed.images.tensor_split(pieces),
        mixed.labels_a.tensor_split(pieces),
        mixed.labels_b.tensor_split(pieces),
        strict=True,
    )
    for images, labels_a, labels_b in triples:
        yield replace(mixed, images=images, labels_a=labels_a, labels_b=labels_b)


def right_answers(scores: Tensor, mixed: Mixed) -> Tensor:
    """How many answers are right, weighted by lam under mixing; a float scalar on the device."""
    predicted = scores.argmax(dim=1)
    first = (predicted == mixed.labels_a).sum().float()
    if mixed.lam >= 1.0:
        return first
    return mixed.lam * first + (1.0 - mixed.lam) * (predicted == mixed.labels_b).sum().float()


def _update(learner: Learner, loss: Tensor, step: int) -> Tensor:
    """Move the weights; returns on the device whether the loss or the gradient was not finite."""
    if learner.scaler is not None:
        learner.scaler.unscale_(learner.optimizer)
    norm = clip(learner.parameters, learner.clip_grad_norm)
    bad = ~(torch.isfinite(loss) & torch.isfinite(norm))
    if learner.scaler is not None:  # it leaves out a step whose gradients overflowed, and scales down
        learner.skipped += bad
        learner.scaler.step(learner.optimizer)
        learner.scaler.update()
        for buffer, before in zip(learner.moving, learner.spare, strict=True):
            buffer.copy_(torch.where(bad, before, buffer))
    else:
        learner.bad |= bad
        learner.optimizer.step()
    if learner.average is not None:
        update_average(learner.average, learner.network, step + 1)
    return bad


def _moving_statistics(network: Network) -> list[Tensor]:
    """The buffers that a forward pass changes: running means and variances of normalisation layers."""
    return [
        buffer
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._NormBase)
        for buffer in module.buffers()
    ]


@torch.no_grad()
def _copy(to: list[Tensor], origin: list[Tensor]) -> None:
    if to:
        torch._foreach_copy_(to, origin)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether the device, or the host's allocator, had no room."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(mark in text for mark in NO_ROOM)


def halve(learner: Learner, batch: int, report: str) -> str:
    """Halve the micro-batch after the device had no room; returns what to tell the person.

    Raises OutOfMemoryError when it cannot be halved further.
    """
    before = min(learner.micro_batch, batch)
    if before <= learner.smallest:
        raise OutOfMemoryError(
            f"no memory left on {learner.device} for a micro-batch of {before} ({report})",
            "try a smaller data.image_size, a smaller model, --precision bf16, or model.grad_checkpointing=true",
        )
    learner.micro_batch = max(learner.smallest, -(-before // 2))
    empty_cache(learner.device)
    return (
        f"out of memory on {learner.device} ({report}): micro-batch {before} -> {learner.micro_batch}, accumulation "
        f"doubled; same images and learning rate, but BatchNorm statistics now see smaller batches"
    )

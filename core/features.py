"""A frozen backbone that sees the same images in every epoch: its features are computed once, for all of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import torch
from torch import Tensor, nn

from core.evaluate import Parts
from core.events import Event, Preparing, Warned
from core.heads import classifier_name
from core.levels import is_random
from core.loader import Batch, Loader
from core.models import Network
from core.run import Run, Stop, batch_size, micro_batch
from core.sampler import Order
from recipes.recipe import StagePlan
from recipes.sections import Balance, Freeze

MOST_BYTES = 2 << 30  # of all features together; above it the images go through the backbone every epoch
CLOSE = 1e-3  # largest difference of the scores when the classifier is applied to the features


class Interrupted(Exception):  # noqa: N818 - a request, not an error
    """Asked to leave while features were computed; nothing has changed since the last checkpoint."""


class HeadNetwork(Network):
    """The classifier of a network as a network of its own, whose images are features ``(N, F)``."""

    def __init__(self, network: Network) -> None:
        nn.Module.__init__(self)
        self.body = network.body.get_submodule(classifier_name(network.body))

    def normalize(self, images: Tensor, channels_last: bool) -> Tensor:  # noqa: ARG002
        """Features need none."""
        return images


class FeatureLoader:
    """The batches of a training split as features, in the order in which a Loader would give its images."""

    def __init__(self, features: Tensor, order: Order, labels: Tensor) -> None:
        """`features` ``(N, F)`` float32 belong to ``order.indices``; `labels` to the whole manifest."""
        self._features, self._order, self._labels = features, order, labels
        self._row = {index: row for row, index in enumerate(order.indices)}

    def __len__(self) -> int:
        return len(self._order)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """As Loader.epoch, with features ``(N, F)`` as images."""
        for keys in self._order.batches(epoch, start):
            indices = torch.tensor([index for _, index, _ in keys])
            rows = torch.tensor([self._row[index] for _, index, _ in keys], device=self._features.device)
            yield Batch(self._features[rows], self._labels[indices], indices)

    def close(self) -> None:
        """Nothing to end."""


def can_be_kept(plan: StagePlan) -> bool:
    """Whether every epoch of a stage shows its frozen backbone the same images."""
    augment = plan.augment
    mixes = augment.mix_probability > 0 and (augment.mixup_alpha > 0 or augment.cutmix_alpha > 0)
    return plan.freeze is Freeze.BACKBONE and plan.run.ema_decay == 0 and not mixes and not is_random(augment)


def keep_features(
    run: Run, plan: StagePlan, index: int, workers: int, stop: Stop
) -> Generator[Event, None, FeatureLoader | None]:
    """The features of the training split, or None when the model does not give them or they would not fit.

    Raises Interrupted when asked to leave.
    """
    size, indices = batch_size(plan), tuple(run.manifest.indices("train"))
    images = Loader(run.manifest, "train", plan, seed=0, train=False, batch_size=size, workers=workers)
    passing, found = Parts(run.device, micro_batch(run, plan)), list[Tensor]()
    run.network.eval()
    try:
        for done, batch in enumerate(images.epoch(1), start=1):
            if stop():
                raise Interrupted
            if done == 1 and not passing(lambda part: _are_kept(run, part), batch.images[:2]).all():
                return None
            found.append(passing(lambda part: _features(run, part), batch.images))
            for message in passing.halvings():
                yield Warned("out_of_memory", message)
            if found[0][0].numel() * 4 * len(indices) > MOST_BYTES:
                return None
            yield Preparing("computing the frozen backbone's features", done, len(images))
    finally:
        images.close()
    labels = tuple(run.manifest.labels[place] for place in indices)
    balanced = plan.data.balance is Balance.SAMPLER
    order = Order(indices, labels, size, run.recipe.run.seed, index, shuffle=True, balanced=balanced)
    return FeatureLoader(torch.cat(found), order, torch.tensor(run.manifest.labels))


def _features(run: Run, images: Tensor) -> Tensor:
    """What timm's classifier is applied to, float32."""
    body, normal = run.network.body, run.network.normalize(images, run.numbers.channels_last)
    with run.numbers.autocast(run.device):
        features: Tensor = body.forward_head(body.forward_features(normal), pre_logits=True)  # type: ignore[operator]
    return features.float()


def _are_kept(run: Run, images: Tensor) -> Tensor:
    """A single truth value: whether the features are ``(N, F)`` and the classifier on them gives the scores."""
    body, normal = run.network.body, run.network.normalize(images, run.numbers.channels_last)
    with run.numbers.autocast(run.device):
        scores, head = run.network(normal), body.get_submodule(classifier_name(body))
        features = _features(run, images)
        same = features.ndim == 2 and torch.allclose(head(features), scores, rtol=CLOSE, atol=CLOSE)
    return torch.tensor([same])

"""Who goes where: stratified, seeded splits and smaller training sets, the same on every machine.

The place of an image depends on the seed, its class and its name below the class folder alone: not on the order in
which a file system lists files, nor on Python's hash seed. Adding images to one class moves nothing in another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from core.folders import Classes, ImageFile
from recipes.errors import DataError

SPLITS = ("train", "val", "test")


def shuffled(images: Sequence[ImageFile], seed: int, name: str) -> list[ImageFile]:
    """The images of class `name` in an order drawn by `seed`."""
    return sorted(images, key=lambda image: _draw(seed, name, image.name))


def _draw(*parts: object) -> bytes:
    text = "\0".join(map(str, parts))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def apportion(count: int, shares: Sequence[float]) -> list[int]:
    """`count` images in proportion to `shares`, each less than one image away from its exact share.

    Largest remainder (Hamilton). Training and validation, the first two, get one image each even where their share
    is worth less.
    """
    whole = sum(shares)
    exact = [count * share / whole for share in shares]
    sizes = [int(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (sizes[i] - exact[i], i))
    for index in by_remainder[: count - sum(sizes)]:
        sizes[index] += 1
    for needy in range(min(2, count, len(shares))):
        if sizes[needy] == 0 and shares[needy] > 0:
            giver = max((i for i in range(len(sizes)) if sizes[i] > (i < 2)), key=lambda i: sizes[i] - exact[i])
            sizes[giver] -= 1
            sizes[needy] += 1
    return sizes


def complete(given: dict[str, Classes], shares: Sequence[float], seed: int) -> dict[str, Classes]:
    """All three splits: what is missing is split off the training images, class by class.

    The shares of train and of every missing split are scaled to what train holds: with 70/15/15 and a given test
    split, validation takes 15/85 of the training images. Validation is never taken from test.
    """
    source = given.get("train") or given[""]
    makes = ["train", *(split for split in SPLITS[1:] if split not in given)]
    wanted = [shares[SPLITS.index(split)] for split in makes]
    splits: dict[str, Classes] = {split: dict(given.get(split, {})) for split in SPLITS}
    for name, images in source.items():
        if "val" in makes and len(images) < 2:
            raise DataError(
                f"class '{name}' has 1 image; training and validation need one each",
                "add images, or remove the class",
            )
        ordered = shuffled(images, seed, name)
        for split, size in zip(makes, apportion(len(ordered), wanted), strict=True):
            splits[split][name] = ordered[:size]
            del ordered[:size]
    return splits


def fraction(classes: Classes, share: float) -> Classes:
    """The same share of every class, rounded, at least one image each; `classes` are in drawn order."""
    return {name: images[: max(1, round(len(images) * share))] for name, images in classes.items()}


def spread(classes: Classes, limit: int, seed: int) -> Classes:
    """At most `limit` images, as evenly over the classes as they allow; `classes` are in drawn order.

    With fewer images than classes, `limit` classes drawn by `seed` get one each.
    """
    order = sorted(classes, key=lambda name: _draw(seed, "spread", name))
    quota = dict.fromkeys(classes, 0)
    left = limit
    open_classes = [name for name in order if classes[name]]
    while left > 0 and open_classes:
        each = max(1, left // len(open_classes))
        for name in open_classes[:left]:
            take = min(each, len(classes[name]) - quota[name])
            quota[name] += take
            left -= take
        open_classes = [name for name in open_classes if quota[name] < len(classes[name])]
    return {name: images[: quota[name]] for name, images in classes.items()}

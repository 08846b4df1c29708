"""How an image of any shape becomes the square the network sees, without chance: evaluation and prediction."""

from __future__ import annotations

import cv2
import numpy as np

from core.decode import Pixels
from recipes.sections import Resize

CROP_SHARE = 0.875  # of the shorter side, the convention of torchvision and most timm models (224 of 256)
PADDING = (124, 116, 104)  # mean colour of ImageNet: close to 0 after normalisation


def fit(image: Pixels, size: int, resize: Resize) -> Pixels:
    """(H, W, 3) uint8 -> (size, size, 3) uint8.

    crop: the middle square whose side is 0.875 of the shorter side. letterbox: the whole image, padded with grey.
    squash: the whole image, its proportions given up.
    """
    if resize is Resize.CROP:
        return scale(_middle(image), size, size)
    if resize is Resize.SQUASH:
        return scale(image, size, size)
    height, width = image.shape[:2]
    factor = size / max(height, width)
    inner = scale(image, max(1, round(height * factor)), max(1, round(width * factor)))
    square = np.empty((size, size, 3), dtype=np.uint8)
    square[:] = PADDING
    top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return square


def _middle(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    side = max(1, round(min(height, width) * CROP_SHARE))
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def scale(image: Pixels, height: int, width: int) -> Pixels:
    """Resized to (height, width, 3): areas are averaged when it shrinks, cubic when it grows."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.asarray(resized, dtype=np.uint8)

"""Whether this terminal draws real pictures (kitty's protocol, sixel); asked before the app takes the terminal over."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.widget import Widget


def ask_terminal() -> None:
    """Import textual-image where it is installed: importing it asks the terminal, which only works before the app."""
    if sys.__stdout__ is not None and sys.__stdout__.isatty() and find_spec("textual_image") is not None:
        import textual_image.widget  # noqa: F401


def real_picture() -> type[Widget] | None:
    """The widget that shows a PIL image by the terminal's own graphics; None: half blocks must do."""
    if "textual_image.widget" not in sys.modules:
        return None
    from textual_image.renderable import Image, SixelImage, TGPImage
    from textual_image.widget import Image as Shown

    return Shown if Image in (SixelImage, TGPImage) else None


def note() -> str:
    """What would make pictures sharper, in a few words; empty where nothing would."""
    if real_picture() is not None:
        return ""
    if find_spec("textual_image") is None:
        return "sharper in kitty and sixel terminals: pip install textual-image"
    return "half blocks: no kitty graphics, no sixel here"

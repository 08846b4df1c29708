"""Whether this terminal draws real pictures (kitty's protocol, sixel); asked before the app takes the terminal over."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.widget import Widget


def ask_terminal() -> None:
    """Import textual-image where it is installed: importing it asks the terminal, which only works before the app.

    A terminal that gives no answer, or one that cannot be understood, has no pictures; the library warns of it with a
    traceback, which nobody needs to see.
    """
    talks = all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stdout__))
    if not talks or find_spec("textual_image") is None:
        return
    logging.getLogger("textual_image").addHandler(logging.NullHandler())
    try:
        import textual_image.widget  # noqa: F401
    except Exception:  # whatever reading an odd answer raises gets through it: UnicodeDecodeError, termios.error
        _forget_the_answer()


def _forget_the_answer() -> None:
    """Half a character left on the input would end the app's own reading of it."""
    with suppress(ImportError, OSError):
        import termios

        termios.tcflush(0, termios.TCIFLUSH)


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

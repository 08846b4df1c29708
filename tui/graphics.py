"""Whether this terminal draws real pictures (kitty's protocol, sixel), and how large its cells are in pixels.

It is asked once, before the app takes the terminal over. What comes late the app would read as keys (`ESC [ ? 6 c`
opens help), so the questions end with one that every terminal answers, and that answer is waited for.
"""

from __future__ import annotations

import io
import os
import re
import select
import struct
import sys
import time
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.widget import Widget

ANSWER = re.compile(rb"\x1b(_G[^\x1b]*(\x1b\\|\Z)|P>\|[^\x1b]*(\x1b\\|\Z)|\[6;\d+;\d*(t|\Z)|\[\?[\d;]*(c|\Z))")
LAST = re.compile(rb"\x1b\[\?([\d;]*)c")  # the answer to WHO
SECONDS = 2.0  # longer than a round trip to the far side of the world
SILENT = ("dumb", "linux", "vt", "ansi")  # terminals that cannot draw, and may print what they do not understand
KITTY, NAME, CELL, WHO = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", "\x1b[>q", "\x1b[16t", "\x1b[c"
LARGEST = 297  # columns and lines of a picture that kitty's placeholders can name


@dataclass(frozen=True)
class Ability:
    """What the terminal draws pictures with, and its cell as (width, height) in pixels."""

    kind: Literal["", "sixel", "kitty"] = ""
    cell: tuple[int, int] = (10, 20)


ability = Ability()


def ask_terminal() -> str:
    """Learn what this terminal can do, and give back what was typed meanwhile.

    Without an answer that can be understood it draws half blocks.
    """
    global ability
    talks = all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stdout__))
    if not talks or os.name == "nt" or os.environ.get("TERM", "dumb").startswith(SILENT):
        return ""
    import termios

    with suppress(termios.error, OSError):
        said = _answers(KITTY + NAME + CELL + WHO)
        ability = understood(said, _cell())
        return typed(said)
    return ""


def typed(said: bytes) -> str:
    """What is no answer, nor the beginning of one."""
    return ANSWER.sub(b"", said).decode(errors="ignore")


def understood(answers: bytes, cell: tuple[int, int] | None = None) -> Ability:
    """The ability that `answers` speak of; `cell` is what the system knows of its size."""
    if size := re.search(rb"\x1b\[6;([1-9]\d{0,2});([1-9]\d{0,2})t", answers):
        cell = int(size[2]), int(size[1])
    kinds = LAST.search(answers)
    kind: Literal["", "sixel", "kitty"] = ""
    if kinds and b"4" in kinds[1].split(b";")[1:]:
        kind = "sixel"
    elif re.search(rb"\x1b_Gi=31;OK\x1b\\", answers) and _has_placeholders(answers):
        kind = "kitty"
    return Ability(kind, cell or Ability.cell)


def _has_placeholders(answers: bytes) -> bool:
    """Pictures as characters, which scroll with the text: since kitty 0.28; others that answer OK show empty boxes."""
    kitty = re.search(rb"\x1bP>\|kitty\((\d+)\.(\d+)", answers)
    return b"\x1bP>|ghostty" in answers or (kitty is not None and (int(kitty[1]), int(kitty[2])) >= (0, 28))


def _answers(questions: str) -> bytes:
    """What the terminal says, until it has answered WHO or SECONDS are over. Raises OSError or termios.error."""
    import termios
    import tty

    before, said, end = termios.tcgetattr(0), b"", time.monotonic() + SECONDS
    try:
        tty.setcbreak(0, termios.TCSANOW)
        os.write(1, questions.encode())
        while not LAST.search(said) and select.select([0], [], [], max(0.0, end - time.monotonic()))[0]:
            new = os.read(0, 4096)
            if not new:
                break
            said += new
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)
    return said


def _cell() -> tuple[int, int] | None:
    """The cell's size by the window's in pixels, which few pseudo-terminals know."""
    import fcntl
    import termios

    lines, columns, width, height = struct.unpack("HHHH", fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8))
    return (width // columns, height // lines) if width and height and columns and lines else None


def kitty_picture() -> type[Widget]:
    """textual-image's widget for kitty. Raises ImportError without the extra `images`."""
    with _not_asking():
        from textual_image._terminal import CellSize, get_cell_size
        from textual_image.widget import TGPImage
    get_cell_size._result = CellSize(*ability.cell)  # type: ignore[attr-defined]
    return TGPImage


@contextmanager
def _not_asking() -> Iterator[None]:
    """textual-image asks the terminal when it is imported; the app reads its input by then."""
    kept, sys.__stdout__ = sys.__stdout__, io.StringIO()  # type: ignore[misc,assignment]
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        sys.__stdout__ = kept  # type: ignore[misc]


def kind() -> Literal["", "sixel", "kitty"]:
    """How pictures are drawn here; "": by half blocks."""
    if ability.kind == "kitty" and find_spec("textual_image") is None:
        return ""
    return ability.kind


def note() -> str:
    """What would make pictures sharper, in a few words; empty where nothing would."""
    if kind():
        return ""
    return (
        "sharper with: pip install textual-image" if ability.kind else "half blocks: no kitty graphics, no sixel here"
    )

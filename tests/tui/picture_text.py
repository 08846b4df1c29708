"""A screen as text: its lines, and for each line the stretches of one style; small, and readable in a diff."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from string import ascii_letters

import pytest
from rich.style import Style
from textual.app import App

KEPT = Path(__file__).parent / "__snapshots__" / "screens"


class Scene:
    """One scene at several sizes; `compare` holds it against what is kept, or keeps it with --snapshot-update."""

    def __init__(self, name: str, hidden: Iterable[str] = ()) -> None:
        self._path = KEPT / f"{name}.txt"
        self._hidden = tuple(hidden)  # a line that holds one of these differs from machine to machine
        self._parts: list[str] = []
        self._styles: dict[str, str] = {}

    def take(self, app: App[None], size: tuple[int, int]) -> None:
        """What stands on the screen now."""
        lines, styles = [], []
        for strip in app.screen._compositor.render_strips():
            if any(word in strip.text for word in self._hidden):
                lines, styles = [*lines, "(differs from machine to machine)"], [*styles, ""]
                continue
            lines.append(strip.text.rstrip())
            runs = groupby(self._letter(s.style) for s in strip for _ in range(s.cell_length))
            styles.append("".join(f"{letter}{len(list(run))}" for letter, run in runs))
        title = f"=== {size[0]}x{size[1]}"
        grouped = ((run, len(list(same))) for run, same in groupby(styles))
        counted = [f"{run} *{count}" if count > 1 else run for run, count in grouped]
        self._parts += [title, *lines, f"{title} styles", *counted]

    def _letter(self, style: Style | None) -> str:
        """Colours, weight and line, without what only the mouse sees."""
        said = "none"
        if style is not None:
            flags = [name for name in ("bold", "dim", "italic", "underline", "reverse") if getattr(style, name)]
            colours = [str(c.name) if c else "-" for c in (style.color, style.bgcolor)]
            said = " ".join([f"{colours[0]} on {colours[1]}", *flags])
        return self._styles.setdefault(said, ascii_letters[len(self._styles) % len(ascii_letters)])

    def compare(self, update: bool) -> None:
        """Fails with the lines that differ."""
        legend = [f"{letter} {said}" for said, letter in self._styles.items()]
        text = "\n".join([*self._parts, "=== legend", *legend]) + "\n"
        if update:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(text, encoding="utf-8")
            return
        if not self._path.exists():
            pytest.fail(f"{self._path.name} is not kept yet: run with --snapshot-update, then look at it")
        kept = self._path.read_text(encoding="utf-8")
        if kept != text:
            found = difflib.unified_diff(kept.splitlines(), text.splitlines(), "kept", "now", lineterm="", n=1)
            pytest.fail("\n".join([self._path.name, *list(found)[:80]]))

"""Completes a path as it is typed; the right arrow takes the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.suggester import Suggester

KNOWN = ("digits", "food-101")


class PathSuggester(Suggester):
    """The first entry that goes on from what was typed; folders end with a slash."""

    def __init__(self, suffixes: tuple[str, ...] = ()) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._suffixes = suffixes

    async def get_suggestion(self, value: str) -> str | None:
        """Looked up in a thread: the folder may lie on a slow disk."""
        return await asyncio.to_thread(complete, value, self._suffixes)


def complete(text: str, suffixes: tuple[str, ...] = ()) -> str | None:
    """`text` with the rest of the first fitting name; None when there is none."""
    if not text:
        return None
    if not suffixes and "/" not in text:
        known = next((name for name in KNOWN if name.startswith(text)), None)
        if known:
            return known
    typed, slash, start = text.rpartition("/")
    folder = Path(f"{typed}{slash}" or ".").expanduser()
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name.lower())
    except OSError:
        return None
    for entry in entries:
        if not entry.name.startswith(start) or (entry.name.startswith(".") and not start.startswith(".")):
            continue
        if entry.is_dir():
            return f"{typed}{slash}{entry.name}/"
        if suffixes and entry.suffix in suffixes:
            return f"{typed}{slash}{entry.name}"
    return None

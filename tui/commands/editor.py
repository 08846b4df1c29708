"""Editing a text in the person's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from recipes.errors import UsageError


def edit_text(text: str, suffix: str) -> str | None:
    """Open `text` in ``$VISUAL`` or ``$EDITOR`` (else vi); the new text, or None when nothing was changed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clf{suffix}"
        path.write_text(text, encoding="utf-8")
        open_in_editor(path)
        edited = path.read_text(encoding="utf-8")
    return None if edited == text else edited


def open_in_editor(path: Path) -> None:
    """Wait until the person's editor has closed `path`; UsageError without an editor, a terminal for it, or success."""
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not command and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("there is no terminal to edit in", "set EDITOR, or use --set KEY=VALUE")
    command = command or "vi"
    try:
        code = subprocess.run([*shlex.split(command), str(path)], check=False).returncode
    except OSError as error:
        raise UsageError(f"cannot start the editor '{command}'", "set EDITOR, or use --set KEY=VALUE") from error
    if code != 0:
        raise UsageError(f"the editor '{command}' ended with code {code}", "nothing was changed")

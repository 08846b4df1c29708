"""Where tables are printed."""

from __future__ import annotations

import sys
from typing import Any


def console() -> Any:
    """A terminal gets its own width, a pipe whole lines; brackets and colons in names stay what they are."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 400
    return Console(highlight=False, markup=False, emoji=False, width=width)

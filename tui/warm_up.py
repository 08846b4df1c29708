"""What the app does while the person reads the first screen, so that the first key of a kind is as quick as others."""

from __future__ import annotations

import gc
import importlib

SECONDS = 0.3  # after the app began: the first screen is drawn by then
SCREENS = ("job", "compare", "add", "recipes", "help", "ask")


def load() -> None:
    """Import the other screens and what draws charts; run in a thread."""
    for name in SCREENS:
        importlib.import_module(f"tui.screens.{name}")
    importlib.import_module("plotext._figure")
    importlib.import_module("core.schedule")  # the form's learning-rate curve


def calm_the_collector() -> None:
    """Take what is loaded out of the garbage collector's rounds.

    A full round over some 300,000 objects, nearly all of them code and styles that live as long as the app, takes
    0.1 to 0.2 s in which no key is answered; measured with benchmarks/tui_keys.py.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

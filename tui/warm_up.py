"""What the app does while a person reads the first screen, so that the first key of a kind is as quick as others."""

from __future__ import annotations

import asyncio
import gc
import importlib

# The screens and what they import, cut into pieces of at most some 50 ms: a key waits for no more than one of them.
MODULES = (
    "plotext._figure",
    "tui.screens.help",
    "tui.screens.ask",
    "tui.widgets.log_view",
    "pydantic",
    "pydantic_core",
    "pydantic.main",
    "recipes.sections",
    "recipes.find",
    "tui.screens.job",
    "tui.screens.compare",
    "tui.screens.add",
    "tui.screens.recipes",
    "core.schedule",
)
FIRST_PAUSE, PAUSE = 0.5, 0.05  # seconds: after the app began, and between two pieces


async def warm_up() -> None:
    """Import piece by piece in a thread, then take what is loaded out of the garbage collector's rounds.

    A full round over some 300,000 objects, nearly all of them code and styles that live as long as the app, takes
    0.1 to 0.2 s in which no key is answered; measured with benchmarks/tui_keys.py.
    """
    await asyncio.sleep(FIRST_PAUSE)
    for name in MODULES:
        await asyncio.to_thread(importlib.import_module, name)
        await asyncio.sleep(PAUSE)
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

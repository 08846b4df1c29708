"""The states of a job in groups, for every room; standard library only."""

from __future__ import annotations

OPEN = ("queued", "running", "paused")
FINISHED = ("succeeded", "failed", "cancelled")


def sql(states: tuple[str, ...]) -> str:
    """As the right side of an ``IN``: ``('queued', 'running')``."""
    return f"({', '.join(repr(state) for state in states)})"

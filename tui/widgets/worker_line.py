"""One line about the worker: device, pid, memory, utilisation; or how to start one."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from db.records import WorkerRecord
from tui import units
from tui.feed import Overview


class WorkerLine(Static):
    """Says the same thing in the same place whatever happens; as much of it as fits."""

    DEFAULT_CSS = """
    WorkerLine { height: 1; padding: 0 1; background: $panel; color: $foreground; text-wrap: nowrap; }
    """

    _given: tuple[Overview, float, dict[str, str], str] | None = None
    _said: Text | None = None

    def show(self, overview: Overview, now: float, inks: dict[str, str], start: str) -> None:
        """Update; repaints only when the words changed. `start` is the key that starts a worker, if any does."""
        self._given = (overview, now, inks, start)
        text = describe(overview, now, inks, self.size.width, start)
        if text != self._said:
            self._said = text
            self.update(text, layout=False)

    def on_resize(self) -> None:
        """How much fits may have changed."""
        if self._given is not None:
            self.show(*self._given)


def describe(overview: Overview, now: float, inks: dict[str, str], width: int, start: str) -> Text:
    """The line, the most important part first."""
    line = Text(no_wrap=True, overflow="ellipsis")
    if overview.trouble:
        return line.append("⚠ ", inks.get("warning", "")).append(overview.trouble)
    if not overview.workers:
        line.append("○ ", inks.get("warning", "")).append("no worker")
        if start:
            line.append(": press ").append(start, "bold").append(" to start one")
    for index, worker in enumerate(overview.workers):
        line.append("   " if index else "").append("● ", inks.get("success", ""))
        _worker(line, worker, now, max(20, width // len(overview.workers)), inks)
    if overview.paused:
        line.append("   ‖ queue paused", inks.get("warning", ""))
    return line


def _worker(line: Text, worker: WorkerRecord, now: float, width: int, inks: dict[str, str]) -> None:
    quiet = inks.get("quiet", "")
    start = len(line)
    line.append(worker.device_name or worker.device, "bold").append(f"  pid {worker.pid}", quiet)
    if worker.stop_requested:
        line.append("  stopping", inks.get("warning", ""))
    parts = [
        _memory(worker),
        None if worker.utilization is None else f"{worker.utilization:4.0%} busy",
        None if worker.temperature is None else f"{worker.temperature:.0f} °C",
        None if worker.power is None else f"{worker.power:3.0f} W",
        f"up {units.age(max(0.0, now - worker.started_at))}",
    ]
    for part in parts:
        if part and len(line) - start + len(part) + 2 <= width:
            line.append(f"  {part}", quiet)


def _memory(worker: WorkerRecord) -> str | None:
    if worker.device_used is None:
        return None
    total = f" of {units.size(worker.device_total)}" if worker.device_total else ""
    return f"{units.size(worker.device_used)}{total}"

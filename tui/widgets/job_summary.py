"""A job in three lines (four with a hint): what it is, how far it is, and what it wants to say."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from db.records import JobRecord
from tui import states, units
from tui.states import SIGNS, progress, remaining
from tui.themes import STATE_COLOURS
from tui.widgets.job_columns import bar


class JobSummary(Static):
    """Repaints only when the words changed."""

    DEFAULT_CSS = "JobSummary { height: auto; min-height: 3; text-wrap: nowrap; }"

    _given: tuple[JobRecord | None, float, dict[str, str]] | None = None
    _said: Text | None = None

    def show(self, job: JobRecord | None, now: float, inks: dict[str, str]) -> None:
        """Three lines about `job`, or nothing."""
        self._given = (job, now, inks)
        text = describe(job, now, inks, self.size.width) if job else Text()
        if text != self._said:
            grown = self._said is None or text.plain.count("\n") != self._said.plain.count("\n")
            self._said = text
            self.update(text, layout=grown)  # a layout repaints every scrollbar of the screen

    def on_resize(self) -> None:
        """How much fits may have changed."""
        if self._given is not None:
            self.show(*self._given)


def describe(job: JobRecord, now: float, inks: dict[str, str], width: int) -> Text:
    """Title line, progress line, and the line of readings, failure or waiting."""
    colour, quiet = inks.get(STATE_COLOURS[job.state], ""), inks.get("quiet", "")
    text = Text()
    text.append(f"#{job.id} ", quiet).append(job.name, "bold")
    for part in (job.model, states.data(job.data), job.device or ""):
        text.append(f"  {part}" if part else "", quiet)
    text.append("\n").append(f"{SIGNS[job.state]} {states.state(job)}", colour)
    if job.epochs and (job.state == "running" or job.epoch):
        text.append("  ").append(bar(progress(job), max(8, min(24, width - 52))), colour)
        text.append(f" {progress(job):4.0%}  epoch {job.epoch}/{job.epochs}")
        text.append(f"  {job.stage}" if job.stage and job.state == "running" else "", quiet)
    text.append("\n").append_text(_third(job, now, quiet, inks))
    lines = text.split("\n")
    for line in lines:
        line.truncate(max(1, width), overflow="ellipsis")
    return Text("\n").join(lines)


def _third(job: JobRecord, now: float, quiet: str, inks: dict[str, str]) -> Text:
    if job.state == "failed":
        line = Text(job.failure_message or "no reason was recorded", inks.get("error", ""))
        return line.append(f"\n{job.failure_hint}" if job.failure_hint else "", quiet)
    if job.state == "running":
        return _running(job, now, quiet)
    parts = [
        f"best {units.percent(job.best_accuracy)} in epoch {job.best_epoch}"
        if job.best_accuracy is not None and job.best_epoch
        else "",
        f"test {units.percent(job.test_accuracy)}" if job.test_accuracy is not None else "",
        f"peak {units.size(job.memory_peak)}" if job.memory_peak else "",
        f"took {units.duration(job.elapsed_seconds)}" if job.elapsed_seconds else "",
        f"added {units.minute(job.created_at)}" if job.state == "queued" else "",
        f"priority {job.priority}" if job.priority else "",
    ]
    return Text("  ".join(part for part in parts if part), quiet)


def _running(job: JobRecord, now: float, quiet: str) -> Text:
    left = remaining(job, now)
    line = Text(f"step {job.epoch_step}/{job.epoch_steps}" if job.epoch_steps else job.message or job.phase or "")
    for part in (
        f"{job.images_per_second:.0f} images/s" if job.images_per_second else "",
        f"ETA {units.duration(left)}" if left is not None else "",
        f"best {units.percent(job.best_accuracy)}" if job.best_accuracy is not None else "",
        f"{units.size(job.memory)}" if job.memory else "",
    ):
        line.append(f"  {part}" if part else "", quiet)
    return line

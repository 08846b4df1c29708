"""A job in three lines, more for a failure: what it is, how far it is, and what it wants to say."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from db.records import JobRecord
from tui import states, units
from tui.cells import fold
from tui.states import SIGNS, progress, remaining
from tui.themes import STATE_COLOURS
from tui.widgets.job_columns import bar


class JobSummary(Static):
    """Repaints only when the words changed."""

    DEFAULT_CSS = "JobSummary { height: 3; min-height: 3; text-wrap: nowrap; }"

    _given: tuple[JobRecord | None, float, dict[str, str]] | None = None
    _said: Text | None = None

    def show(self, job: JobRecord | None, now: float, inks: dict[str, str]) -> None:
        """Three lines about `job`, or nothing."""
        self._given = (job, now, inks)
        if not self.size.width:
            return  # the first layout is still to come, and with it a resize
        text = describe(job, now, inks, self.size.width) if job else Text()
        if text != self._said:
            self._said = text
            self.styles.height = text.plain.count("\n") + 1  # `auto` keeps the height it had in its first layout
            self.update(text, layout=False)  # a layout repaints every scrollbar of the screen

    def on_resize(self) -> None:
        """How much fits may have changed."""
        if self._given is not None:
            self.show(*self._given)


def describe(job: JobRecord, now: float, inks: dict[str, str], width: int) -> Text:
    """Title, progress, and readings, failure or waiting; parts that do not fit are left out, a failure is folded."""
    width = max(1, width)
    quiet = inks.get("quiet", "")
    title = Text().append(f"#{job.id} ", quiet).append(job.name, "bold")
    lines = [_with(title, (job.model, states.data(job.data), job.device or ""), quiet, width)]
    lines.append(_progress(job, inks, width))
    if job.state == "failed":
        lines += _failure(job, inks, width)
    elif job.state == "running":
        lines.append(_running(job, now, quiet, width))
    else:
        lines.append(_ended_or_waiting(job, inks, width))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def _with(line: Text, parts: Iterable[str], ink: str, width: int) -> Text:
    """The line with the parts that fit, two cells apart."""
    for part in parts:
        gap = 2 if line else 0
        if part and line.cell_len + gap + cell_len(part) <= width:
            line.append(" " * gap + part, ink)
    return line


def _progress(job: JobRecord, inks: dict[str, str], width: int) -> Text:
    colour = inks.get(STATE_COLOURS[job.state], "")
    line = Text().append(f"{SIGNS[job.state]} {states.state(job)}", colour)
    if not job.epochs or not (job.state == "running" or job.epoch):
        return line
    share, epoch = f"{progress(job):.0%}".rjust(4), f"epoch {job.epoch}/{job.epochs}"
    room = width - line.cell_len - len(share) - len(epoch) - 5
    if room >= 4:
        line.append("  ").append(bar(progress(job), min(24, room)), colour).append(f" {share}")
    line = _with(line, (epoch,), "", width)
    return _with(line, (job.stage or "",) if job.state == "running" else (), inks.get("quiet", ""), width)


def _failure(job: JobRecord, inks: dict[str, str], width: int) -> list[Text]:
    """Why it failed, then what to do; each on as many lines as it needs, up to three."""
    reason = fold(job.failure_message or "no reason was recorded", max(20, width))[:3]
    hint = fold(job.failure_hint or "", max(20, width))[:3]
    return [
        *(Text(line, inks.get("error", "")) for line in reason),
        *(Text(line, inks.get("quiet", "")) for line in hint),
    ]


def _ended_or_waiting(job: JobRecord, inks: dict[str, str], width: int) -> Text:
    known = job.best_accuracy is not None and job.best_epoch
    parts = (
        f"best {units.percent(job.best_accuracy)} in epoch {job.best_epoch}" if known else "",
        f"test {units.percent(job.test_accuracy)}" if job.test_accuracy is not None else "",
        f"peak {units.size(job.memory_peak)}" if job.memory_peak else "",
        f"took {units.duration(job.elapsed_seconds)}" if job.elapsed_seconds else "",
        f"added {units.minute(job.created_at)}" if job.state == "queued" else "",
        f"priority {job.priority}" if job.priority else "",
    )
    return _with(Text(states.doing(job), inks.get("warning", "")), parts, inks.get("quiet", ""), width)


def _running(job: JobRecord, now: float, quiet: str, width: int) -> Text:
    left, busy = remaining(job, now), states.doing(job)
    rate = job.images_per_second if not busy or job.phase == "test" else None  # else of what was done before
    parts = (
        f"ETA {units.duration(left)}" if left is not None else "",
        f"{rate:.0f} images/s" if rate else "",
        f"best {units.percent(job.best_accuracy)}" if job.best_accuracy is not None else "",
        f"{units.size(job.memory)}" if job.memory else "",
    )
    return _with(Text(busy or states.step(job)), parts, quiet, width)

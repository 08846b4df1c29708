"""The columns of the job list: what each says of a job, its width, how it sorts, and which fit the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from db.records import JobRecord
from tui import units
from tui.cells import fit
from tui.states import SIGNS, data, doing, progress, remaining, short
from tui.themes import STATE_COLOURS

MOST = 36  # cells of a column of words
BAR = 3  # cells of the progress bar beside the epoch


@dataclass(frozen=True)
class Column:
    """One column; `flexible` ones share what is left over."""

    key: str
    title: str
    width: int
    text: Callable[[JobRecord, float], str]  # of (job, now in Unix seconds)
    order: Callable[[JobRecord, float], Any]
    right: bool = False
    flexible: bool = False
    importance: int = 0  # the higher, the longer it stays as the terminal gets narrower
    colour: Callable[[JobRecord], str] = lambda _job: ""


def bar(share: float, width: int = BAR) -> str:
    """A bar of `width` cells, half cells drawn."""
    halves = round(share * width * 2)
    whole, half = divmod(halves, 2)
    return ("━" * whole + ("╸" if half else "")).ljust(width, "─")


def _epoch(job: JobRecord, _now: float) -> str:
    if not job.epochs:
        return ""
    if job.state == "queued" and not job.epoch:
        return f"{'':{BAR}} {'':>3}{job.epochs:>4}"
    return f"{bar(progress(job))} {job.epoch:>3}/{job.epochs:<3}".rstrip()


def _age(job: JobRecord, now: float) -> str:
    since = job.finished_at or job.started_at or job.created_at
    return units.age(max(0.0, now - since))


def _memory(job: JobRecord) -> float | None:
    return job.memory if job.state == "running" else job.memory_peak


def _nothing(value: float | None) -> float:
    return -1.0 if value is None else value


def _accuracy(job: JobRecord, _now: float) -> str:
    return "" if job.best_accuracy is None else units.percent(job.best_accuracy)


def _eta(job: JobRecord, now: float) -> str:
    left = remaining(job, now)
    return "" if left is None else units.duration(left)


def _size(job: JobRecord, _now: float) -> str:
    value = _memory(job)
    text = "" if value is None else units.size(value)
    return text if value is None or len(text) <= 7 else f"{value / 1e9:.0f} GB"


COLUMNS = (
    Column("id", "#", 4, lambda j, _: str(j.id), lambda j, _: j.id, right=True, importance=10),
    Column(
        "state",
        "state",
        11,
        lambda j, _: f"{SIGNS[j.state]} {short(j)}",
        lambda j, _: list(SIGNS).index(j.state),
        importance=10,
        colour=lambda j: STATE_COLOURS[j.state],
    ),
    Column("name", "job", 17, lambda j, _: j.name, lambda j, _: j.name.lower(), flexible=True, importance=10),
    Column("recipe", "recipe", 13, lambda j, _: j.recipe_name, lambda j, _: j.recipe_name, flexible=True, importance=2),
    Column("data", "data", 9, lambda j, _: data(j.data), lambda j, _: j.data.lower(), flexible=True, importance=6),
    Column("stage", "stage", 9, lambda j, _: j.stage or "", lambda j, _: j.stage or "", importance=1),
    Column("epoch", "epoch", BAR + 8, _epoch, lambda j, _: progress(j), importance=8),
    Column("best", "best", 6, _accuracy, lambda j, _: _nothing(j.best_accuracy), right=True, importance=9),
    Column("eta", "ETA", 7, _eta, lambda j, n: _nothing(remaining(j, n)), right=True, importance=7),
    Column("memory", "memory", 7, _size, lambda j, _: _nothing(_memory(j)), right=True, importance=5),
    Column(
        "age",
        "age",
        4,
        _age,
        lambda j, n: n - (j.finished_at or j.started_at or j.created_at),
        right=True,
        importance=3,
    ),
)
BY_KEY = {column.key: column for column in COLUMNS}


def fitting(width: int, jobs: Sequence[JobRecord] = ()) -> list[tuple[Column, int]]:
    """The columns for `width` cells with the width of each; a gap of one cell stands between them.

    The recipe gets a column of its own only where jobs were given other names. What is left over goes to the words
    that need it, names first, and then to all columns of words.
    """
    names_differ = any(job.name != job.recipe_name for job in jobs)
    kept = [column for column in COLUMNS if column.key != "recipe" or names_differ]
    while len(kept) > 2 and sum(column.width + 1 for column in kept) > width + 1:
        kept.remove(min(kept, key=lambda column: column.importance))
    spare = width + 1 - sum(column.width + 1 for column in kept)
    flexible = [column for column in kept if column.flexible]
    widths = {column.key: column.width for column in kept}
    needed = [max((cell_len(column.text(job, 0.0)) for job in jobs), default=0) - column.width for column in flexible]
    shares = [*zip(flexible, needed, strict=True), *((column, spare // len(flexible)) for column in flexible)]
    for column, wanted in shares:
        share = max(0, min(spare, wanted, MOST - widths[column.key]))
        widths[column.key] += share
        spare -= share
    return [(column, widths[column.key]) for column in kept]


def cells(job: JobRecord, now: float, columns: Sequence[tuple[Column, int]]) -> tuple[str, ...]:
    """One text per column, each with the gap behind it.

    Where no epoch is running, what the job is doing stands there instead, over the empty columns that follow, whose own
    texts are empty.
    """
    found = [fit(column.text(job, now), width, column.right) + " " for column, width in columns]
    busy = doing(job)
    start = next((i for i, (column, _) in enumerate(columns) if column.key in ("stage", "epoch")), None)
    if not busy or start is None:
        return tuple(found)
    end = 1 + next(i for i, (column, _) in enumerate(columns) if column.key == "epoch")
    while end < len(found) and not found[end].strip():
        end += 1
    room = sum(width + 1 for _, width in columns[start:end]) - 1
    found[start:end] = [_brief(busy, room) + " ", *[""] * (end - start - 1)]
    return tuple(found)


def _brief(text: str, width: int) -> str:
    """Cut to the width in its words rather than in its figures; without them where they leave no room."""
    words, _, figures = text.rpartition(" ")
    if cell_len(text) <= width or not figures[:1].isdigit():
        return fit(text, width)
    room = width - len(figures) - 1
    return f"{fit(words, room)} {figures}" if room >= 8 else fit(words, width)

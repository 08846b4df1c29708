"""`clf status`: the queue as a table, as JSON, or drawn anew every second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db import records
from db.job_states import FINISHED
from db.records import JobRecord
from recipes.errors import UsageError, closest
from tui import states, units
from tui.commands import context
from tui.commands.arguments import Json, MaybeJobWords
from tui.commands.tables import console

if TYPE_CHECKING:
    from rich.table import Table

RECENT = 15  # finished jobs that the table shows unless --all
COLOURS = {
    "queued": "white",
    "running": "cyan",
    "paused": "yellow",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "bright_black",
}
DERIVED = {"waiting": ("queued",), "blocked": ("queued",), "finished": FINISHED}
StateWords = Annotated[
    list[str] | None,
    typer.Option("--state", "-s", help="queued, running, paused, succeeded, failed, cancelled, blocked, finished."),
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(status)


@dataclass(frozen=True)
class Filter:
    """Which jobs are asked for; everything by default."""

    ids: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()  # states, as typed
    recipe: str = ""
    data: str = ""
    text: str = ""

    @property
    def narrow(self) -> bool:
        return self != Filter()

    def sql(self) -> dict[str, Any]:
        """The arguments of records.jobs and records.count_finished."""
        stored = tuple(dict.fromkeys(state for word in self.wanted for state in DERIVED.get(word, (word,))))
        return {"states": stored, "recipe": self.recipe, "data": self.data, "text": self.text}

    def fits(self, job: JobRecord) -> bool:
        """Whether a job that the database found has one of the states, also of those it derives."""
        own = {job.state, "finished" if job.finished_at is not None else ""}
        if job.state == "queued":
            own |= {"blocked"} if job.blocked_by else {"waiting"} if job.waiting_for else set()
        return not self.wanted or bool(own & set(self.wanted))


def status(
    ids: MaybeJobWords = None,
    as_json: Json = False,
    wanted: StateWords = None,
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="Only jobs of this recipe.")] = "",
    data: Annotated[str, typer.Option("--data", "-d", help="Only jobs whose data's path or name has it.")] = "",
    text: Annotated[str, typer.Option("--text", "-t", help="Only jobs whose name, recipe, data or model has it.")] = "",
    everything: Annotated[bool, typer.Option("--all", "-a", help="All finished jobs, not the newest only.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Draw it anew every second; Ctrl-C leaves.")] = False,
) -> None:
    """Show the queue: what runs, what waits, what ended. With one ID: that job whole."""
    if watch and as_json:
        raise UsageError("--watch draws a table, and --json is for programs", "ask again, or 'clf wait ID' in a script")
    asked = Filter(tuple(ids or ()), _states(wanted), recipe.replace("-", "_"), data, text)
    if len(asked.ids) == 1 and not watch and asked == Filter(asked.ids) and not set(asked.ids[0]) & set("-*?[,"):
        from tui.commands.details import show_job

        show_job(asked.ids[0], as_json=as_json)
    elif as_json:
        import json

        from tui.commands.details import document

        typer.echo(json.dumps([document(job) for job in _jobs(asked)], indent=2))
    elif watch:
        _watch(asked, everything)
    else:
        console().print(*_screen(asked, everything), sep="\n")


def _states(words: list[str] | None) -> tuple[str, ...]:
    known = (*COLOURS, *DERIVED)
    found = tuple(part.strip().lower() for word in words or () for part in word.split(","))
    for word in found:
        if word not in known:
            raise UsageError(f"--state {word}: no such state", closest(word, known) or f"one of {', '.join(known)}")
    return found


def _jobs(asked: Filter, finished: int | None = None) -> list[JobRecord]:
    if not context.home.database.exists() and not asked.ids:
        return []
    connection = context.reader()
    if asked.ids:
        chosen = set(records.find(connection, asked.ids))
        found = [job for job in records.jobs(connection, **asked.sql()) if job.id in chosen]
    else:
        found = records.jobs(connection, **asked.sql(), finished=finished)
    return [job for job in found if asked.fits(job)]


def _hidden(asked: Filter, shown: list[JobRecord]) -> int:
    """How many finished jobs were left out."""
    if asked.ids or not context.home.database.exists():
        return 0
    return records.count_finished(context.reader(), **asked.sql()) - sum(job.finished_at is not None for job in shown)


def _watch(asked: Filter, everything: bool) -> None:
    from rich.console import Group
    from rich.live import Live

    with Live(console=console(), auto_refresh=False, screen=False) as live:
        while True:
            live.update(Group(*_screen(asked, everything)), refresh=True)
            time.sleep(1)


def _screen(asked: Filter, everything: bool) -> list[Any]:
    """The worker line, the table, and what was left out."""
    jobs = _jobs(asked, None if everything else RECENT)
    if not jobs:
        if asked.narrow:
            return ["no job fits: 'clf status' shows the queue"]
        return ["the queue is empty: add a job with 'clf enqueue RECIPE' ('clf recipes' lists them)"]
    hidden = _hidden(asked, jobs)
    more = [f"{units.count(hidden, 'older job')} not shown ('clf status --all')"] if hidden > 0 else []
    return [_workers_line(), _table(jobs), *more]


def _workers_line() -> str:
    from jobs.liveness import live_workers

    alive = live_workers(context.home)
    paused = "the queue is paused ('clf resume')  " if records.queue_paused(context.reader()) else ""
    if not alive:
        return paused + "no worker: start one with 'clf worker'"
    texts = []
    for worker in alive:
        text = f"worker on {worker.device} (pid {worker.pid}, up {units.duration(time.time() - worker.started_at)}"
        if worker.device_used is not None and worker.device_total:
            text += f", {units.size(worker.device_used)} of {units.size(worker.device_total)}"
        if worker.utilization is not None:
            text += f", {worker.utilization:.0%} busy"
        texts.append(text + ")")
    return paused + "  ".join(texts)


def _table(jobs: list[JobRecord]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("id", "state", "name", "data", "model"):
        table.add_column(title, justify="right" if title == "id" else "left", overflow="fold", no_wrap=title != "name")
    for title in ("epoch", "best", "test", "ETA", "memory", "age"):
        table.add_column(title, justify="right", no_wrap=True)
    now = time.time()
    for job in jobs:
        table.add_row(
            str(job.id),
            Text(f"{states.SIGNS[job.state]} {states.in_words(job)}", style=COLOURS[job.state]),
            Text(job.name),
            Text(states.data(job.data)),
            job.model,
            states.epoch(job),
            units.percent(job.best_accuracy),
            units.percent(job.test_accuracy),
            units.duration(states.remaining(job, now)),
            units.size(job.memory if job.state == "running" else job.memory_peak),
            units.duration(now - job.created_at),
        )
    return table

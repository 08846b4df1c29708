"""Looking without touching: `clf status`, `clf show`, `clf logs`."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db import records
from db.records import JobRecord
from tui import states, units
from tui.commands import chosen, context
from tui.commands.arguments import JobWord, Json, MaybeJobWords

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


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(status)
    app.command(name="show")(show_job)
    app.command()(logs)


def status(
    ids: MaybeJobWords = None,
    as_json: Json = False,
    wanted: Annotated[list[str] | None, typer.Option("--state", "-s", help="Only jobs in this state.")] = None,
    text: Annotated[str, typer.Option("--text", "-t", help="Only jobs whose name, recipe, data or model has it.")] = "",
    everything: Annotated[bool, typer.Option("--all", "-a", help="All finished jobs, not the newest only.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Draw it anew every second; Ctrl-C leaves.")] = False,
) -> None:
    """Show the queue: what runs, what waits, what ended. With one ID: that job whole."""
    if ids and len(ids) == 1 and not watch:
        show_job(ids[0], as_json)
        return
    if watch and not as_json:
        _watch(ids, wanted or [], text, everything)
        return
    if as_json:
        import json

        typer.echo(json.dumps([_document(job) for job in _jobs(ids, wanted or [], text)], indent=2))
        return
    _console().print(*_screen(ids, wanted or [], text, everything), sep="\n")


def show_job(job_id: JobWord, as_json: Json = False) -> None:
    """Show everything about one job: progress, results, files, what went wrong."""
    connection = context.reader()
    job = records.job(connection, chosen.one(job_id))
    if as_json:
        import json

        typer.echo(json.dumps(_document(job), indent=2))
        return
    width = max(len(name) for name, _ in _details(job))
    for name, value in _details(job):
        typer.echo(f"{name:<{width}}  {value}")
    events = records.events(connection, job.id, limit=12)
    if events:
        typer.echo("events")
    for event in events:
        typer.echo(f"  {units.clock(event.at)}  {event.kind}: {event.message}")


def logs(
    job_id: JobWord = "last",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="Only the last so many lines.")] = None,
) -> None:
    """Print what a job's training process printed."""
    connection = context.reader()
    job = records.job(connection, chosen.one(job_id))
    path = Path(job.run_dir) / "training.log" if job.run_dir else None
    if path is None or not path.exists():
        if not follow:
            typer.echo(f"job #{job.id} has written no log yet ({states.state(job)})", err=True)
            return
        while path is None or not path.exists():
            job = records.job(connection, job.id)
            if job.finished_at is not None:
                typer.echo(f"job #{job.id} ended without a log ({states.state(job)})", err=True)
                return
            path = Path(job.run_dir) / "training.log" if job.run_dir else None
            time.sleep(0.3)
    _print_log(path, lines, follow, job.id)


def _print_log(path: Path, lines: int | None, follow: bool, job_id: int) -> None:
    with path.open(encoding="utf-8", errors="replace") as file:
        if lines is None:
            for line in file:
                sys.stdout.write(line)
        else:
            from collections import deque

            sys.stdout.writelines(deque(file, maxlen=lines))
        sys.stdout.flush()
        connection = context.reader()
        while follow:
            ended = records.job(connection, job_id).finished_at is not None
            for line in file:
                sys.stdout.write(line)
            sys.stdout.flush()
            if ended:
                return
            time.sleep(0.3)


def _jobs(ids: list[str] | None, wanted: list[str], text: str, finished: int | None = None) -> list[JobRecord]:
    if not context.home.database.exists():
        return []
    connection = context.reader()
    if ids:
        return [records.job(connection, job_id) for job_id in records.find(connection, ids)]
    return records.jobs(connection, states=wanted, text=text, finished=finished)


def _hidden(ids: list[str] | None, wanted: list[str], text: str, shown: list[JobRecord]) -> int:
    """How many finished jobs were left out."""
    if ids or not context.home.database.exists():
        return 0
    there = sum(job.finished_at is not None for job in shown)
    return records.count_finished(context.reader(), states=wanted, text=text) - there


def _watch(ids: list[str] | None, wanted: list[str], text: str, everything: bool) -> None:
    from rich.console import Group
    from rich.live import Live

    with Live(console=_console(), auto_refresh=False, screen=False) as live:
        while True:
            live.update(Group(*_screen(ids, wanted, text, everything)), refresh=True)
            time.sleep(1)


def _screen(ids: list[str] | None, wanted: list[str], text: str, everything: bool) -> list[Any]:
    """The worker line, the table, and what was left out."""
    jobs = _jobs(ids, wanted, text, None if everything else RECENT)
    if not jobs:
        return ["the queue is empty: add a job with 'clf enqueue RECIPE' ('clf recipes' lists them)"]
    hidden = _hidden(ids, wanted, text, jobs)
    more = [f"{hidden} older jobs are not shown ('clf status --all')"] if hidden else []
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
    for job in jobs:
        table.add_row(
            str(job.id),
            Text(f"{states.SIGNS[job.state]} {states.state(job)}", style=COLOURS[job.state]),
            job.name,
            states.data(job.data),
            job.model,
            states.epoch(job),
            units.percent(job.best_accuracy),
            units.percent(job.test_accuracy),
            units.duration(states.remaining(job, time.time())),
            units.size(job.memory if job.state == "running" else job.memory_peak),
            units.duration(time.time() - job.created_at),
        )
    return table


def _console() -> Any:
    """A terminal gets its own width; a pipe gets whole lines."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=400)


def _document(job: JobRecord) -> dict[str, Any]:
    import json

    return {**asdict(job), "recipe": json.loads(job.recipe), "shown_state": states.state(job)}


def _details(job: JobRecord) -> list[tuple[str, str]]:
    """Name and value of each line of `clf show`; lines with nothing to say are left out."""
    best = f"{units.percent(job.best_accuracy)} in epoch {job.best_epoch}, macro F1 {units.percent(job.best_f1)}"
    test = f"{units.percent(job.test_accuracy)}, macro F1 {units.percent(job.test_f1)}"
    speed = f"{job.images_per_second:.1f} images/s" if job.images_per_second else ""
    stage = f", stage {job.stage}" if job.stage else ""
    took = (job.finished_at or time.time()) - job.started_at if job.started_at else None
    failure = ": ".join(
        part for part in ((job.failure_kind or "").replace("_", " "), job.failure_message or "") if part
    )
    lines = [
        ("job", f"#{job.id} {job.name}"),
        ("state", states.state(job)),
        ("failure", failure),
        ("hint", job.failure_hint or ""),
        ("recipe", f"{job.recipe_name}: {job.model} on {job.data}"),
        ("progress", f"epoch {states.epoch(job)}{stage}, step {job.step}/{job.steps or '-'}" if job.started_at else ""),
        ("speed", speed if job.state == "running" else ""),
        ("ETA", units.duration(states.remaining(job, time.time())) if job.state == "running" else ""),
        ("validation", best if job.best_accuracy is not None else ""),
        ("test", test if job.test_accuracy is not None else ""),
        ("memory", f"peak {units.size(job.memory_peak)}" if job.memory_peak else ""),
        ("device", job.device or job.device_wanted),
        ("attempts", str(job.attempt) if job.attempt else ""),
        ("queued", units.clock(job.created_at)),
        ("started", units.clock(job.started_at) if job.started_at else ""),
        ("ended", f"{units.clock(job.finished_at)} after {units.duration(took)}" if job.finished_at and took else ""),
        ("version", f"clf {job.clf_version}" + (f", commit {job.git_commit[:12]}" if job.git_commit else "")),
        ("files", job.run_dir or ""),
    ]
    return [(name, value) for name, value in lines if value]

"""One job whole: `clf show` and `clf logs`."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from db import records
from db.records import JobRecord
from tui import states, units
from tui.commands import chosen, context
from tui.commands.arguments import JobWord, Json

EVENTS = 12  # of `clf show`, the newest
LOOK = 0.3  # seconds between looks at a log that grows


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(name="show")(show_job)
    app.command()(logs)


def show_job(
    job_id: JobWord,
    recipe: Annotated[bool, typer.Option("--recipe", help="Print the frozen recipe, as TOML.")] = False,
    as_json: Json = False,
) -> None:
    """Show everything about one job: progress, results, files, what went wrong."""
    connection = context.reader()
    job = records.job(connection, chosen.one(job_id))
    if as_json:
        typer.echo(json.dumps(document(job), indent=2))
        return
    if recipe:
        from recipes.merge import to_toml

        typer.echo(to_toml(json.loads(job.recipe)), nl=False)
        return
    lines = _details(job)
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        typer.echo(f"{name:<{width}}  {value}")
    typer.echo("events")
    for event in records.events(connection, job.id, limit=EVENTS):
        typer.echo(f"  {units.clock(event.at)}  {event.kind}: {event.message}")


def document(job: JobRecord) -> dict[str, Any]:
    """The job for programs: every column, the recipe as an object."""
    return {**asdict(job), "recipe": json.loads(job.recipe), "shown_state": states.state(job)}


def _details(job: JobRecord) -> list[tuple[str, str]]:
    """Name and value of each line of `clf show`; lines with nothing to say are left out."""
    lines = [
        ("job", f"#{job.id} {job.name}"),
        ("state", states.in_words(job)),
        *_trouble(job),
        *_waiting(job),
        ("recipe", f"{job.recipe_name}: {job.model} on {job.data}"),
        ("plan", _plan(job)),
        *_progress(job),
        ("device", job.device or job.device_wanted),
        ("attempts", str(job.attempt) if job.attempt else ""),
        ("queued", units.clock(job.created_at)),
        ("started", units.clock(job.started_at) if job.started_at else ""),
        ("ended", _ended(job)),
        ("version", f"clf {job.clf_version}" + (f", commit {job.git_commit[:12]}" if job.git_commit else "")),
        ("data hash", job.data_hash or "not known before the data is there"),
        ("files", job.run_dir or ""),
    ]
    return [(name, value) for name, value in lines if value]


def _trouble(job: JobRecord) -> list[tuple[str, str]]:
    kind = (job.failure_kind or "").replace("_", " ")
    return [
        ("failure", ": ".join(part for part in (kind, job.failure_message or "") if part)),
        ("hint", job.failure_hint or ""),
    ]


def _waiting(job: JobRecord) -> list[tuple[str, str]]:
    """What holds the job back, each parent with how it stands, and what was asked for."""
    reader = context.reader()
    parents = [records.job(reader, parent) for parent in (*job.blocked_by, *job.waiting_for)]
    begin = job.not_before if job.finished_at is None else None
    return [
        ("waits for", ", ".join(f"#{each.id} {each.name} ({states.state(each)})" for each in parents)),
        ("not before", units.minute(begin) if begin is not None else ""),
        ("priority", str(job.priority) if job.priority else ""),
        ("retries", f"{job.retries_left} of {job.retries} left" if job.retries else ""),
    ]


def _plan(job: JobRecord) -> str:
    """The figures of the frozen recipe a person asks for first."""
    recipe = json.loads(job.recipe)
    run, optim = recipe.get("run", {}), recipe.get("optim", {})
    parts = [
        units.count(job.epochs, "epoch"),
        f"{recipe.get('data', {}).get('image_size', units.NOTHING)} px",
        f"batch {run.get('batch_size', units.NOTHING)}",
        f"{optim.get('name', '')} at {optim.get('lr', units.NOTHING)}",
        f"seed {run.get('seed', units.NOTHING)}",
        f"at most {units.duration(run['max_time'])}" if run.get("max_time") else "",
    ]
    return ", ".join(part for part in parts if part)


def _progress(job: JobRecord) -> list[tuple[str, str]]:
    best = f"{units.percent(job.best_accuracy)} in epoch {job.best_epoch}, macro F1 {units.percent(job.best_f1)}"
    test = f"{units.percent(job.test_accuracy)}, macro F1 {units.percent(job.test_f1)}"
    stage = f", stage {job.stage}" if job.stage else ""
    runs = job.state == "running"
    left = states.remaining(job, time.time())
    return [
        ("progress", f"epoch {states.epoch(job)}{stage}, step {job.step}/{job.steps or '-'}" if job.started_at else ""),
        ("speed", f"{job.images_per_second:.1f} images/s" if runs and job.images_per_second else ""),
        ("ETA", units.duration(left) if left is not None else ""),
        ("validation", best if job.best_accuracy is not None else ""),
        ("test", test if job.test_accuracy is not None else ""),
        ("memory", f"peak {units.size(job.memory_peak)}" if job.memory_peak else ""),
    ]


def _ended(job: JobRecord) -> str:
    if job.finished_at is None:
        return ""
    took = f" after {units.duration(job.finished_at - job.started_at)}" if job.started_at else ""
    return f"{units.clock(job.finished_at)}{took}"


def logs(
    job_id: JobWord = "last",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="Only the last so many lines.")] = None,
) -> None:
    """Print what a job's training process printed; without ID, that of the newest job."""
    number = chosen.one(job_id)
    path = _log(number)
    while path is None and follow and records.job(context.reader(), number).finished_at is None:
        time.sleep(LOOK)
        path = _log(number)
    if path is None:
        job = records.job(context.reader(), number)
        ended = "ended without a log" if job.finished_at is not None else "has written no log yet"
        typer.echo(f"job #{number} {ended} ({states.state(job)})", err=True)
        return
    _print_log(path, lines, follow, number)


def _log(job_id: int) -> Path | None:
    job = records.job(context.reader(), job_id)
    path = Path(job.run_dir) / "training.log" if job.run_dir else None
    return path if path is not None and path.exists() else None


def _print_log(path: Path, lines: int | None, follow: bool, job_id: int) -> None:
    with path.open(encoding="utf-8", errors="replace") as file:
        sys.stdout.writelines(file if lines is None else deque(file, maxlen=lines))
        sys.stdout.flush()
        connection = context.reader()
        while follow:
            ended = records.job(connection, job_id).finished_at is not None
            sys.stdout.writelines(file)
            sys.stdout.flush()
            if ended:
                return
            time.sleep(LOOK)

"""`clf worker`: run the queue on this machine's device."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from db import records
from recipes.errors import QueueError, UsageError
from tui import units
from tui.commands import context
from tui.commands.arguments import Json

POLL = 0.5  # seconds
DeviceFlag = Annotated[str, typer.Option("--device", help="auto, cpu, mps, cuda or cuda:N; one worker for each.")]
OnDevice = Annotated[str | None, typer.Option("--device", help="Only the worker on this device.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for a checkpoint.")]
Poll = Annotated[float, typer.Option("--poll", min=0.05, max=60, help="Seconds between looks at the queue.")]

worker_app = typer.Typer(help="Run the queue on this machine.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add `clf worker` and what stands below it."""
    app.add_typer(worker_app, name="worker")


@worker_app.callback()
def worker(
    ctx: typer.Context,
    device: DeviceFlag = "auto",
    drain: Annotated[bool, typer.Option("--drain", help="End when nothing is left that can run.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="In the background; survives the end of this session.")
    ] = False,
    poll: Poll = POLL,
) -> None:
    """Run queued jobs one at a time until told to stop.

    Ctrl-C writes a checkpoint, puts the job back and leaves; a second one leaves at once.
    """
    if ctx.invoked_subcommand is not None:
        if (device, drain, detach, poll) != ("auto", False, False, POLL):
            raise UsageError(
                f"options before '{ctx.invoked_subcommand}' mean nothing to it",
                f"write them behind it: clf worker {ctx.invoked_subcommand} --device {device}",
            )
        return
    if detach:
        from jobs.launch import start_detached

        pid = start_detached(context.home, device=device, drain=drain, poll=poll)
        typer.echo(f"worker started (pid {pid}); 'clf worker status' looks, 'clf worker stop' ends it")
        return
    from jobs.worker import work
    from tui.commands.ticker import Ticker

    ticker = Ticker(context.home, drain=drain)
    code = work(context.home, device=device, drain=drain, poll=poll, on_tick=ticker.tick)
    raise typer.Exit(code)


@worker_app.command()
def status(as_json: Json = False) -> None:
    """Show the workers that are alive, and what each works on."""
    from jobs.liveness import live_workers

    alive = live_workers(context.home)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([{**asdict(each), "job_id": _job_of(each.id)} for each in alive], indent=2))
        return
    if not alive:
        typer.echo("no worker is running: start one with 'clf worker'")
    for each in alive:
        job_id = _job_of(each.id)
        doing = f"works on #{job_id}" if job_id is not None else "waits for a job"
        name = f" ({each.device_name})" if each.device_name else ""
        typer.echo(f"{each.device}{name}: pid {each.pid}, up {units.duration(time.time() - each.started_at)}, {doing}")


def _job_of(worker_id: int) -> int | None:
    running = records.jobs(context.reader(), states=("running",))
    return next((job.id for job in running if job.worker_id == worker_id), None)


@worker_app.command()
def stop(device: OnDevice = None, now: Now = False) -> None:
    """Ask workers to write a checkpoint, put their job back and leave."""
    from jobs.launch import stop_worker

    _must_be_there(device)
    pids = stop_worker(context.home, device=device, now=now)
    _tell(pids, "worker {} has left; a job it had goes on from its checkpoint at the next one", "no worker is running")


@worker_app.command()
def restart(device: OnDevice = None, now: Now = False) -> None:
    """Stop the workers and start new ones in the background on the same devices."""
    from jobs.launch import restart_worker

    _must_be_there(device)
    pids = restart_worker(context.home, device=device, now=now)
    _tell(pids, "worker started (pid {})", "no worker was running: start one with 'clf worker --detach'")


def _must_be_there(device: str | None) -> None:
    """Raise QueueError when there are workers, but none on `device`: it may be a slip."""
    from jobs.liveness import live_workers

    there = [each.device for each in live_workers(context.home)]
    if device is not None and there and device not in there:
        raise QueueError(f"no worker runs on {device}", f"there is one on {', '.join(there)}")


def _tell(pids: list[int], each: str, none: str) -> None:
    for text in [each.format(pid) for pid in pids] or [none]:
        typer.echo(text)


@worker_app.command()
def install(
    device: DeviceFlag = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written, and write nothing.")] = False,
) -> None:
    """Start the worker with the machine: writes a systemd user unit, or a launchd agent on macOS."""
    from jobs import service

    found = service.describe(context.home, device=device)
    if not dry_run:
        service.install(found)
    typer.echo(f"{'would write' if dry_run else 'wrote'} {found.path}:\n\n{found.text}")
    typer.echo("to make it count:")
    for command in found.commands:
        typer.echo(f"  {command}")


@worker_app.command(name="notify-test")
def notify_test() -> None:
    """Send a message in every way that the section notify of config.toml asks for, and say what arrived."""
    from jobs.notify import try_out

    told = try_out(context.home)
    if not told:
        raise UsageError(f"{context.home.config} asks for no notification", "docs/queue.md shows an example")
    for way, trouble in told.items():
        typer.echo(f"{way}: {trouble or 'sent'}")
    if any(told.values()):
        raise typer.Exit(1)

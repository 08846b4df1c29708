"""`clf worker`: run the queue on this machine's device."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from tui import units
from tui.commands import context

DeviceFlag = Annotated[str, typer.Option("--device", help="auto, cpu, mps, cuda or cuda:N; one worker for each.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for a checkpoint.")]

worker_app = typer.Typer(help="Run the queue on this machine.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add `clf worker` and what stands below it."""
    app.add_typer(worker_app, name="worker")


@worker_app.callback()
def worker(
    ctx: typer.Context,
    device: DeviceFlag = "auto",
    drain: Annotated[bool, typer.Option("--drain", help="End when the queue is empty.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="In the background; survives the end of this session.")
    ] = False,
    poll: Annotated[float, typer.Option("--poll", min=0.05, max=60, help="Seconds between looks at the queue.")] = 0.5,
) -> None:
    """Run queued jobs one at a time until told to stop.

    Ctrl-C writes a checkpoint, puts the job back and leaves; a second one leaves at once.
    """
    if ctx.invoked_subcommand is not None:
        return
    if detach:
        from jobs.launch import start_detached

        pid = start_detached(context.home, device=device, drain=drain)
        typer.echo(f"worker started (pid {pid}); 'clf worker status' looks, 'clf worker stop' ends it")
        return
    from jobs.worker import work
    from tui.commands.ticker import Ticker

    ticker = Ticker(context.home)
    code = work(context.home, device=device, drain=drain, poll=poll, on_tick=ticker.tick)
    ticker.close()
    raise typer.Exit(code)


@worker_app.command()
def status() -> None:
    """Show the workers that are alive."""
    from jobs.liveness import live_workers

    alive = live_workers(context.home)
    if not alive:
        typer.echo("no worker is running: start one with 'clf worker'")
    for each in alive:
        name = f" {each.device_name}" if each.device_name else ""
        typer.echo(f"{each.device}{name}: pid {each.pid}, up {units.duration(time.time() - each.started_at)}")


@worker_app.command()
def stop(
    device: Annotated[str | None, typer.Option("--device", help="Only the worker on this device.")] = None,
    now: Now = False,
) -> None:
    """Ask workers to write a checkpoint, put their job back and leave."""
    from jobs.launch import stop_worker

    pids = stop_worker(context.home, device=device, now=now)
    if not pids:
        typer.echo("no worker is running")
    for pid in pids:
        typer.echo(f"worker {pid} has left; its job goes on from its checkpoint at the next one")


@worker_app.command()
def restart(
    device: Annotated[str | None, typer.Option("--device", help="Only the worker on this device.")] = None,
    now: Now = False,
) -> None:
    """Stop the workers and start new ones in the background on the same devices."""
    from jobs.launch import restart_worker

    pids = restart_worker(context.home, device=device, now=now)
    if not pids:
        typer.echo("no worker was running: start one with 'clf worker --detach'")
    for pid in pids:
        typer.echo(f"worker started (pid {pid})")


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

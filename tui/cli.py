"""The `clf` command: global options, the commands by name, and how an error is shown.

Starting up is felt on every command. So only the room of the verb that was typed is loaded, and every command
imports what it needs inside its function: `clf status` and shell completion load neither torch nor textual nor the ORM.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from recipes.errors import ClfError
from recipes.home import Home
from tui.commands import context

ROOMS = {  # of tui.commands, in the order of the help, with their verbs
    "enqueue": ("enqueue", "run"),
    "inspect": ("status", "show", "logs"),
    "plot": ("plot",),
    "manage": (
        "cancel", "pause", "resume", "retry", "extend", "priority", "move", "edit", "duplicate", "wait", "rm", "clean",
    ),
    "worker": ("worker",),
    "recipes": ("recipes",),
    "models": ("models",),
    "try_out": ("preview", "lr-find", "memory"),
}  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"clf {version('clf')}")
        raise typer.Exit


def options(
    home: Annotated[
        Path | None,
        typer.Option("--home", envvar="CLF_HOME", metavar="DIR", help="Where the queue and all runs are kept."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Train image classifiers: pick a recipe, queue it, go home, watch from anywhere."""
    del version
    context.home = Home.find(home)
    context.debug = debug


def tui(
    read_only: Annotated[bool, typer.Option("--read-only", help="Look, but change nothing.")] = False,
    in_browser: Annotated[bool, typer.Option("--serve", help="In a browser on this machine, behind a token.")] = False,
    port: Annotated[int, typer.Option("--port", metavar="N", help="Where --serve listens; 0: any free port.")] = 8000,
) -> None:
    """Open the full-screen app: the queue, live charts, a form that adds recipes."""
    if in_browser:
        import tui.serve

        tui.serve.serve(context.home, port=port, read_only=read_only, say=typer.echo)
        return
    import tui.app

    tui.app.run(context.home, read_only=read_only)


def commands(first: str) -> typer.Typer:
    """The commands of the room that `first`, the first word typed, is a verb of; for any other word all of them."""
    app = typer.Typer(
        name="clf",
        help="Train image classifiers: pick a recipe, queue it, go home, watch from anywhere.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    for room in [room for room, verbs in ROOMS.items() if first in verbs] or ROOMS:
        import_module(f"tui.commands.{room}").register(app)
    app.command()(tui)
    return app


def _status() -> None:
    """`clf status` as it is typed most often: nothing to parse, and typer's parser would load pydantic, 60 ms."""
    from tui.commands.inspect import status

    context.home = Home.find()
    context.debug = False
    status()


def main() -> None:
    """Run `clf`; a ClfError becomes one or two lines on stderr and its exit code."""
    try:
        if sys.argv[1:] == ["status"]:
            _status()
        else:
            commands(sys.argv[1] if len(sys.argv) > 1 else "")()
    except ClfError as error:
        if context.debug:
            raise
        typer.secho(f"error: {error.message}", err=True, fg=typer.colors.RED)
        if error.hint:
            typer.echo(f"hint: {error.hint}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

"""The program `clf` as typer has it: the global options, and the commands of the room that is needed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from recipes.home import Home
from tui.commands import context
from tui.commands.verbs import ROOMS, Verbs


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"clf {version('clf')}")
        raise typer.Exit


def options(
    ctx: typer.Context,
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
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


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


def commands(first: str) -> Any:
    """The commands of the room that `first`, the first word typed, is a verb of; for any other word all of them."""
    app = typer.Typer(
        name="clf",
        cls=Verbs,
        help="Train image classifiers: pick a recipe, queue it, go home, watch from anywhere.",
        add_completion=False,  # ours is tui.completing: typer's loads pydantic on every TAB
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(options)
    for room in [room for room, verbs in ROOMS.items() if first in verbs] or ROOMS:
        import_module(f"tui.commands.{room}").register(app)
    app.command()(tui)
    return _without_types_of_flags(get_command(app))


def _without_types_of_flags(command: Any, above: typer.Context | None = None) -> Any:
    """Typer writes ``--json <bool>`` in the help, which reads as if a value were wanted."""
    at = typer.Context(command, parent=above, **command.context_settings)
    for parameter in (*command.params, command.get_help_option(at)):
        if getattr(parameter, "is_bool_flag", False):
            parameter.metavar = ""
    for below in getattr(command, "commands", {}).values():
        _without_types_of_flags(below, at)
    return command

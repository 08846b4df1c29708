"""The `clf` command: global options, the commands by name, and how an error is shown.

Starting up is felt on every command. So only the room of the verb that was typed is loaded, and every command
imports what it needs inside its function: `clf status` and shell completion load neither torch nor textual nor the ORM.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from recipes.errors import ClfError
from recipes.home import Home
from tui.commands import context
from tui.commands.verbs import ROOMS, VERBS, Verbs


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


def _status() -> None:
    """`clf status` as it is typed most often: nothing to parse, and typer's parser would load pydantic, 60 ms."""
    from tui.commands.inspect import status

    context.home = Home.find()
    context.debug = False
    status()


def main() -> None:
    """Run `clf`; whatever goes wrong becomes one or two lines on stderr and an exit code."""
    words = sys.argv[1:]
    code = 0
    try:
        if words == ["status"]:
            _status()
        else:
            code = commands(words[0] if words else "")(args=words, prog_name="clf", standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:
        if context.debug:
            raise
        code = tell(error)
    except KeyboardInterrupt:
        code = 130
    if code:
        sys.exit(code)


def tell(error: Exception) -> int:
    """Say what went wrong, and what to do next; the exit code."""
    message, hint, code = _explained(error)
    if message:
        typer.secho(f"error: {message}", err=True, fg=typer.colors.RED)
    if hint:
        typer.echo(f"hint: {hint}", err=True)
    return code


def _explained(error: Exception) -> tuple[str, str, int]:
    """Message, hint and exit code of anything that may come out of a command."""
    if isinstance(error, ClfError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, typer.Abort):
        return "stopped", "", 1
    if isinstance(error, BrokenPipeError):  # `clf status | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "", "", 1
    if isinstance(error, TyperException):
        verb = " ".join(word for word in sys.argv[1:2] if word in VERBS)
        path = getattr(getattr(error, "ctx", None), "command_path", f"clf {verb}".strip())
        return _lowered(error.format_message()), f"'{path} --help' says what can be given", error.exit_code
    if isinstance(error, sqlite3.Error):
        return f"the database {context.home.database}: {error}", "try again; 'clf --debug ...' shows more", 1
    return f"unexpected {type(error).__name__}: {error}", "this is a defect of clf: 'clf --debug ...' shows where", 1


def _lowered(message: str) -> str:
    """The parser's sentence as one of ours: one line, no capital, no full stop."""
    line = " ".join(message.split()).rstrip(".")
    return line[:1].lower() + line[1:]


if __name__ == "__main__":
    main()

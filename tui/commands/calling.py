"""Calling a command, and saying what went wrong: one or two lines on stderr, and an exit code."""

from __future__ import annotations

import os
import sqlite3
import sys
from io import TextIOWrapper

import typer
from typer.exceptions import TyperException

from recipes.errors import ClfError
from recipes.home import Home
from tui.commands import context
from tui.commands.verbs import VERBS


def call(words: list[str]) -> int:
    """Carry out `words`; whatever goes wrong is told, and traced back with --debug alone. The exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a sign that the terminal cannot show is no reason to show nothing
            stream.reconfigure(errors="surrogateescape" if stream.encoding.lower() == "utf-8" else "replace")
    try:
        code = 0
        if words == ["status"]:
            _status()
        else:
            from tui.commands.program import commands

            code = commands(words[0] if words else "")(args=words, prog_name="clf", standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except Exception as error:
        if context.debug:
            raise
        return tell(error)
    except KeyboardInterrupt:
        return 130


def _status() -> None:
    """`clf status` as it is typed most often: nothing to parse, and typer's parser would load pydantic, 60 ms."""
    from tui.commands.inspect import status

    context.home = Home.find()
    context.debug = False
    status()


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
        return "stopped: nobody said yes", "--yes does not ask", 1
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

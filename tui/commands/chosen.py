"""Which jobs a command is about, and doing something to each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import typer

from db import records
from recipes.errors import ClfError, UsageError
from tui.commands import context
from tui.commands.calling import tell

if TYPE_CHECKING:
    from jobs.queue import Queue

T = TypeVar("T")


def ids(words: Iterable[str]) -> list[int]:
    """The jobs that `words` mean; raises NotFoundError."""
    return records.find(context.reader(), list(words))


def one(word: str) -> int:
    """The one job that `word` means; raises NotFoundError, UsageError."""
    found = ids([word])
    if len(found) != 1:
        raise UsageError(f"'{word}' means {len(found)} jobs", "give one id")
    return found[0]


def some(words: list[str] | None) -> list[int]:
    """The jobs that an option such as ``--after 3 --after 4,5`` names; none where it was not given."""
    return ids(words) if words else []


def queue() -> Queue:
    """The queue, for changing it."""
    from jobs.queue import Queue

    return Queue(context.home)


def each(things: Iterable[T], act: Callable[[T], None]) -> None:
    """Do `act` to each: what one of several refuses is told, the rest is done, and the exit code says so at the end."""
    rest, code = list(things), 0
    for thing in rest:
        try:
            act(thing)
        except ClfError as error:
            if len(rest) == 1:
                raise
            code = max(code, tell(error))
    if code:
        raise typer.Exit(code)

"""Arguments that several commands take, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

_MANY = "12, 12-14, last, or a name."
_ONE = "12, last, or a name."

JobWords = Annotated[list[str], typer.Argument(metavar="ID", help=_MANY)]
MaybeJobWords = Annotated[list[str] | None, typer.Argument(metavar="ID", help=_MANY)]
JobWord = Annotated[str, typer.Argument(metavar="ID", help=_ONE)]
RecipeNames = Annotated[list[str], typer.Argument(metavar="RECIPE", help="One or more of 'clf recipes'.")]
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="One of 'clf recipes'.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
JobName = Annotated[str | None, typer.Option("--name", "-n", help="A name of your own for the job.")]
NotBefore = Annotated[
    str | None,
    typer.Option("--not-before", metavar="TIME", help="22:00, 'tomorrow 8:00', +2h, or '2026-12-01 08:00'."),
]

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

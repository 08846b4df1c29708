"""Arguments that several commands take, declared once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tui.commands import complete

_MANY = "12, 12-14, last, or a name."
_ONE = "12, last, or a name."


def _jobs(metavar: str, text: str) -> Any:
    return typer.Argument(metavar=metavar, help=text, autocompletion=complete.job_ids)


def _recipes(metavar: str, text: str) -> Any:
    return typer.Argument(metavar=metavar, help=text, autocompletion=complete.recipe_names)


JobWords = Annotated[list[str], _jobs("ID", _MANY)]
MaybeJobWords = Annotated[list[str] | None, _jobs("ID", _MANY)]
JobWord = Annotated[str, _jobs("ID", _ONE)]
RecipeNames = Annotated[list[str], _recipes("RECIPE", "One or more of 'clf recipes'.")]
RecipeName = Annotated[str, _recipes("RECIPE", "One of 'clf recipes'.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

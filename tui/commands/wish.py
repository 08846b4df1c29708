"""From a recipe's name and flags to a recipe that may be queued, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.errors import RecipeError, UsageError
from tui.commands import context

if TYPE_CHECKING:
    from recipes.flags import Flags
    from recipes.recipe import Recipe


@dataclass(frozen=True)
class Wish:
    """A recipe as asked for, checked and ready to queue."""

    recipe: Recipe
    data_hash: str | None
    summary: str
    name: str = ""  # of the job


def wish(name: str, given: Flags, file: Path | None = None) -> Wish:
    """Find the recipe, lay the flags on it, check all that can be checked; raises what the person must mend."""
    from jobs.admission import admit
    from recipes import find
    from recipes.flags import overrides
    from recipes.merge import merge
    from recipes.recipe import validate

    document = find.document(name, context.home.recipes, file)
    validate(document, f"recipe '{document['name']}'")
    changes = overrides(given, document)
    try:
        recipe = validate(merge(document, changes), document["name"])
    except RecipeError as error:  # the file itself is sound, so what was typed is at fault
        raise UsageError(error.message, error.hint) from error
    admitted = admit(recipe, context.home)
    return Wish(admitted.recipe, admitted.data_hash, admitted.summary)

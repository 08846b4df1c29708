"""What narrows a list of jobs: conditions in SQL, with the values they are given."""

from __future__ import annotations

SEARCHED = ("name", "recipe_name", "data", "model")


def narrowing(text: str, recipe: str, data: str) -> tuple[list[str], dict[str, str]]:
    """Conditions for jobs that have `text` in any column of SEARCHED, are of `recipe`, and have `data` in theirs."""
    conditions, values = [], {}
    if text:
        conditions.append(f"({' OR '.join(_holds(column, 'text') for column in SEARCHED)})")
        values["text"] = _pattern(text)
    if recipe:
        conditions.append("recipe_name = :recipe")
        values["recipe"] = recipe
    if data:
        conditions.append(_holds("data", "data"))
        values["data"] = _pattern(data)
    return conditions, values


def _holds(column: str, value: str) -> str:
    return f"{column} LIKE :{value} ESCAPE '\\'"


def _pattern(text: str) -> str:
    """`text` somewhere within, its own ``%`` and ``_`` meant literally."""
    for sign in "\\%_":
        text = text.replace(sign, f"\\{sign}")
    return f"%{text}%"

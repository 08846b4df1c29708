"""The child that draws what a job's network sees: ``python -m tui.contact_sheet DATASETS OUT.png ROWS < recipe.json``.

A process of its own, because the sheet comes from the real augmentation and that loads torch, which the app never does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from recipes.errors import ClfError


def main(datasets: Path, out: Path, rows: int, recipe_json: str) -> None:
    """Write `out`; raises ClfError when the data is not there or cannot be read."""
    from core.manifest import build_manifest
    from recipes.recipe import Recipe

    recipe = Recipe.model_validate_json(recipe_json)
    manifest = build_manifest(recipe.data, recipe.run.seed, datasets)
    from core.preview import contact_sheet  # after what is quick and may fail

    contact_sheet(recipe, manifest, out, rows)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.stdin.read())
    except ClfError as error:
        sys.exit("\n".join(part for part in (error.message, error.hint) if part))

"""The contact sheet shows what training reads, and nothing that the recipe does not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.decode import Pixels, decode
from core.fit import fit
from core.preview import CAPTION, CELL, GAP, contact_sheet
from recipes.errors import ClfError
from recipes.recipe import Recipe
from recipes.sections import Resize
from tests.core_data.conftest import manifest_of, recipe_of


def cell(sheet: Path, row: int, column: int) -> Pixels:
    left, top = GAP + column * (CELL + GAP), GAP + CAPTION + row * (CELL + CAPTION + GAP)
    return decode(sheet)[top : top + CELL, left : left + CELL]


def columns(sheet: Path) -> int:
    return (decode(sheet).shape[1] - GAP) // (CELL + GAP)


def test_a_sheet_has_a_row_per_class_and_a_column_per_kind_of_change(pictures: Path, tmp_path: Path) -> None:
    recipe = recipe_of(pictures, size=CELL, augment={"level": "strong", "mixup_alpha": 0.5, "cutmix_alpha": 1.0})
    manifest = manifest_of(pictures)
    sheet = contact_sheet(recipe, manifest, tmp_path / "made" / "sheet.png", rows=3)
    assert sheet == tmp_path / "made" / "sheet.png"
    assert columns(sheet) == 1 + 4 + 2
    assert decode(sheet).shape[0] == GAP + CAPTION + 3 * (CELL + CAPTION + GAP)
    squares = {
        index: fit(decode(pictures / manifest.paths[index], CELL), CELL, Resize.CROP)
        for index in manifest.indices("train")
    }
    shown = [
        next(manifest.labels[index] for index, square in squares.items() if (square == cell(sheet, row, 0)).all())
        for row in range(3)
    ]
    assert sorted(shown) == [0, 1, 2]
    assert len({cell(sheet, 0, column).tobytes() for column in range(7)}) == 7


def test_without_mixing_there_is_no_mixed_column_and_without_augmentation_all_are_equal(
    pictures: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(pictures, augment={"level": "none"})
    sheet = contact_sheet(recipe, manifest_of(pictures), tmp_path / "sheet.png", rows=2)
    assert columns(sheet) == 5
    assert all((cell(sheet, 1, column) == cell(sheet, 1, 0)).all() for column in range(5))


def test_of_several_stages_the_last_one_is_shown(pictures: Path, tmp_path: Path) -> None:
    stages = [{"name": "plain", "augment": {"level": "none"}}, {"name": "mixed", "augment": {"mixup_alpha": 0.5}}]
    recipe = Recipe.model_validate({**recipe_of(pictures).model_dump(), "stages": stages})
    assert columns(contact_sheet(recipe, manifest_of(pictures), tmp_path / "sheet.png", rows=2)) == 6


def test_the_same_recipe_gives_the_same_sheet(pictures: Path, tmp_path: Path) -> None:
    recipe = recipe_of(pictures, augment={"level": "ultra_strong", "mixup_alpha": 0.2})
    sheets = [contact_sheet(recipe, manifest_of(pictures), tmp_path / f"{number}.png") for number in range(2)]
    assert sheets[0].read_bytes() == sheets[1].read_bytes()


def test_a_sheet_that_cannot_be_written_is_an_error(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ClfError, match="cannot write"):
        contact_sheet(recipe_of(pictures), manifest_of(pictures), tmp_path / "file" / "sheet.png", rows=1)

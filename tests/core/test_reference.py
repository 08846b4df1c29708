"""docs/training.md says what the schema says."""

from __future__ import annotations

import pytest

from core.reference import PAGE, page, table
from recipes.recipe import SECTIONS


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not installed with the package")
def test_the_table_of_fields_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m core.reference"


def test_every_field_has_a_meaning_in_the_table() -> None:
    lines = table().splitlines()
    for name, section in SECTIONS.items():
        for key, field in section.model_fields.items():
            (line,) = [line for line in lines if line.startswith(f"| `{name}.{key}` ")]
            assert field.description
            assert field.description.replace("|", "\\|") in line

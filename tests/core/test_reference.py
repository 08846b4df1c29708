"""docs/training.md says what the schema says."""

from __future__ import annotations

import pytest

from core.reference import PAGE, fields, page, table
from recipes.recipe import SECTIONS, Stage
from recipes.sources import SOURCES


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not installed with the package")
def test_the_table_of_fields_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m core.reference"


def test_every_field_has_a_meaning_and_a_source_in_the_table() -> None:
    lines, seen = table().splitlines(), set()
    for name, section in [*SECTIONS.items(), ("stages", Stage)]:
        for path, field in fields(name, section):
            (line,) = [line for line in lines if line.startswith(f"| `{path}` ")]
            assert field.description
            assert field.description.replace("|", "\\|") in line
            assert line.endswith(f" {SOURCES[path]} |")
            seen.add(path)
    assert seen == SOURCES.keys()
    assert {"augment.randaugment.n", "run.early_stopping.patience", "stages.freeze"} <= seen

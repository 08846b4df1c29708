"""What the documents name exists: tests that prove a promise, scripts that print a figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TESTS = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))}
NAMED = re.compile(r"\b(?:(?:tests/)?([\w/]*test_\w+\.py)(?:::(test_\w+))?|(test_[a-z0-9_]{12,})\b(?!\.))")


def missing(text: str) -> list[str]:
    """The tests `text` names that are nowhere; a name may come with its file, and the file with its folder."""
    found = []
    for match in NAMED.finditer(text):
        file, within, alone = match.groups()
        places = [source for path, source in TESTS.items() if not file or path.as_posix().endswith(f"/{file}")]
        name = within or alone
        if not any(f"def {name}(" in source for source in places) if name else not places:
            found.append(match[0])
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_a_document_names_exists(path: Path) -> None:
    assert missing(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_script_a_document_names_exists(path: Path) -> None:
    scripts = re.findall(r"\bbenchmarks/\w+\.py", path.read_text(encoding="utf-8"))
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


def test_a_name_that_is_nowhere_is_found() -> None:
    assert missing("`test_this_was_never_written`") == ["test_this_was_never_written"]
    assert missing("`test_docs.py::test_nothing_of_the_kind`") == ["test_docs.py::test_nothing_of_the_kind"]
    assert missing("`test_nowhere.py`, `tests/jobs/test_docs.py`") == ["test_nowhere.py", "tests/jobs/test_docs.py"]
    assert missing("`house/test_docs.py::test_a_name_that_is_nowhere_is_found`, `test_resnet`") == []

"""What `clf predict` refuses, and how."""

from pathlib import Path

import pytest

from tests.cli.conftest import Clf


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("note.txt", "photos"), 1, "note.txt is damaged"),
        (("missing.pt", "photos"), 1, "no such file: missing.pt"),
        (("1", "photos"), 3, "nothing was ever queued"),
        (("missing.pt", "nowhere"), 1, "no such file: nowhere"),
        (("missing.pt", "empty"), 1, "no images in empty"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    clf: Clf, photos: Path, tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    assert photos.parent == tmp_path
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    said = clf("predict", *words)
    assert (said.code, said.out) == (code, "")
    assert message in said.err
    assert said.err.count("\n") <= 2


def test_a_job_without_weights_is_refused(clf: Clf, photos: Path) -> None:
    clf("enqueue", "demo")
    said = clf("predict", "1", str(photos))
    assert (said.code, said.out) == (1, "")
    assert "#1 has no trained weights yet" in said.err

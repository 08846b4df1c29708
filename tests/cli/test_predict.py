"""`clf predict`: what it prints for people and for programs, and what it refuses."""

import csv
import json
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest

from core.checkpoint import save
from core.models import build
from recipes.sections import Model
from tests.cli.conftest import Clf


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A model that was never trained, saved as a trained one is."""
    settings = Model(name="test_resnet", pretrained=False)
    content = {
        "classes": ["dark, grey", "light"],
        "model": settings.model_dump(mode="json"),
        "input": {"image_size": 32, "resize": "crop", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        "weights": build(settings, 2, 32).body.state_dict(),
    }
    save(content, tmp_path / "mine.pt")
    return str(tmp_path / "mine.pt")


def test_every_form_of_the_answer_says_the_same(clf: Clf, photos: Path, model: str) -> None:
    people = clf("predict", model, str(photos), "--top", "2", "--device", "cpu")
    table = clf("predict", model, str(photos), "--csv", "--device", "cpu")
    document = clf("predict", model, str(photos), "--json", "--device", "cpu")
    assert [said.code for said in (people, table, document)] == [0, 0, 0]
    rows, answers = list(csv.DictReader(StringIO(table.out))), json.loads(document.out)
    assert len(rows) == len(answers) == len(people.out.splitlines()) == 24
    for line, row, answer in zip(people.out.splitlines(), rows, answers, strict=True):
        shares = answer["probabilities"]
        assert row["path"] == answer["path"]
        assert row["class"] == answer["class"] == max(shares, key=shares.get)
        assert {name: float(row[name]) for name in shares} == pytest.approx(shares, abs=1e-6)
        assert line.startswith(row["path"])
        assert f"  {row['class']} {shares[row['class']]:.1%}  " in line
        assert line.count("%") == 2


def test_a_file_that_is_no_image_is_told_and_the_rest_is_answered(clf: Clf, photos: Path, model: str) -> None:
    (photos / "dark" / "no image.png").write_bytes(b"hello")
    said = clf("predict", model, str(photos), "--device", "cpu")
    assert (said.code, len(said.out.splitlines()), said.err.count("\n")) == (1, 24, 1)
    assert "no image.png: not an image" in said.err


def test_a_job_that_still_trains_answers_with_the_best_weights_by_its_own_measure(
    clf: Clf, home: Path, photos: Path, model: str
) -> None:
    clf("enqueue", "demo", "--set", "run.select=f1")
    run = home / "runs" / "0001-demo"
    run.mkdir(parents=True)
    Path(model).rename(run / "best_f1.pt")
    with closing(sqlite3.connect(home / "clf.db")) as database, database:
        database.execute("UPDATE job SET run_dir = ?", (str(run),))
    assert len(clf("predict", "1", str(photos), "--device", "cpu").out.splitlines()) == 24


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

"""A trained model meets images of its own: the answers are those of its evaluation."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image

from tests.end_to_end.conftest import SMALL, Program


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three classes of flat colours that overlap a little, so that no answer is sure."""
    for label, base in (("dark", 30), ("middle, grey", 60), ("light", 90)):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for index in range(20):
            Image.new("RGB", (50, 40), (base + 2 * index, base, base + index)).save(folder / f"{index:02d}.png")
    return tmp_path / "photos"


def test_a_trained_model_answers_as_it_did_in_its_evaluation(clf: Program, photos: Path, tmp_path: Path) -> None:
    changed = ("--set", "model.dropout=0.2", "--set", "run.ema_decay=0.5")
    clf("run", "demo", "--data", str(photos), "--epochs", "2", "--batch-size", "8", *SMALL, *changed)
    run = Path(clf.job()["run_dir"])
    with (run / "evaluation" / "predictions.csv").open(encoding="utf-8") as file:
        evaluated = list(csv.DictReader(file))
    tested = [str(photos / row["path"]) for row in evaluated]

    rows = list(csv.DictReader(StringIO(clf("predict", "last", *tested, "--csv", "--device", "cpu"))))
    assert [row["path"] for row in rows] == tested
    for row, was in zip(rows, evaluated, strict=True):
        assert row["class"] == was["predicted"]
        assert float(row[row["class"]]) == pytest.approx(float(was["confidence"]), abs=1e-4)
        assert float(row[was["actual"]]) == pytest.approx(float(was["probability_of_actual"]), abs=1e-4)

    saved = torch.load(run / "final_model.pt", weights_only=True)
    alone = timm.create_model(saved["timm_model"], num_classes=len(saved["classes"]))
    alone.load_state_dict(saved["weights"])  # as docs/training.md says

    (photos / "dark" / "no image.png").write_bytes(b"hello")
    moved = (run / "best_accuracy.pt").rename(tmp_path / "mine.pt")
    process = clf.start("predict", str(moved), str(photos), "--json", "--device", "cpu")
    out, err = process.communicate(timeout=240)
    assert (process.returncode, err.count("\n")) == (1, 1), err
    assert "no image.png: not an image" in err
    answers = json.loads(out)
    assert len(answers) == 60
    assert all(sum(each["probabilities"].values()) == pytest.approx(1.0) for each in answers)
    assert all(max(each["probabilities"], key=each["probabilities"].get) == each["class"] for each in answers)

    lines = clf("predict", "1", str(photos / "light"), "--top", "2", "--device", "cpu").splitlines()
    assert len(lines) == 20
    assert all(line.count("%") == 2 for line in lines)

"""A trained model meets images of its own: the answers are those of its evaluation."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch

from core.events import Event
from core.predict import Classifier, images_in
from recipes.errors import ConfigurationError, DataError
from recipes.recipe import Recipe

Make = Callable[..., Recipe]
Go = Callable[..., list[Event]]


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_trained_model_answers_as_it_did_in_its_evaluation(
    recipe: Make, run: Go, datasets: Path, tmp_path: Path, head: str
) -> None:
    run(recipe("model.dropout=0.2", "run.ema_decay=0.5", f"model.head={head}", "run.epochs=1"))
    with (tmp_path / "run" / "evaluation" / "predictions.csv").open(encoding="utf-8") as file:
        evaluated = list(csv.DictReader(file))
    garbage = tmp_path / "no image.png"
    garbage.write_bytes(b"hello")
    tested = [datasets / "digits" / row["path"] for row in evaluated]
    classifier = Classifier(tmp_path / "run" / "final_model.pt", "cpu")
    bad, *answers = classifier([garbage, *tested])
    assert (bad.shares, bad.trouble) == ({}, f"cannot read image {garbage}: not an image")
    assert [answer.path for answer in answers] == tested
    for answer, was in zip(answers, evaluated, strict=True):
        assert next(iter(answer.shares)) == was["predicted"]
        assert answer.shares[was["predicted"]] == pytest.approx(float(was["confidence"]), abs=1e-4)
        assert answer.shares[was["actual"]] == pytest.approx(float(was["probability_of_actual"]), abs=1e-4)
        assert sum(answer.shares.values()) == pytest.approx(1.0, abs=1e-5)
    if head == "linear":  # as docs/training.md says
        saved = torch.load(tmp_path / "run" / "final_model.pt", weights_only=True)
        alone = timm.create_model(saved["timm_model"], num_classes=len(saved["classes"]))
        alone.load_state_dict(saved["weights"])


def test_images_are_found_in_folders_in_order(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "a/1.png", "a/.hidden.png", ".git/x.png", "a/note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert images_in([tmp_path, tmp_path / "a" / "note.txt"]) == [
        tmp_path / name for name in ("a/1.png", "b/2.JPG", "a/note.txt")
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images in"):
        images_in([tmp_path / "empty"])


def test_what_is_no_checkpoint_of_clf_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": {}}, tmp_path / "other.pt")
    with pytest.raises(ConfigurationError, match="damaged"):
        Classifier(tmp_path / "other.pt", "cpu")

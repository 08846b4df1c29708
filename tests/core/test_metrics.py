"""Metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score, top_k_accuracy_score

from core.metrics import Tally
from core.report import confusion, per_class


@settings(deadline=None, max_examples=60)
@given(classes=st.integers(2, 9), images=st.integers(1, 60), seed=st.integers(0, 1000), batches=st.integers(1, 4))
def test_accuracy_f1_and_top5_are_scikit_learns(classes: int, images: int, seed: int, batches: int) -> None:
    random = np.random.default_rng(seed)
    scores = torch.tensor(random.normal(size=(images, classes)), dtype=torch.float32)
    labels = torch.tensor(random.integers(0, classes, images))
    tally = Tally(classes, torch.device("cpu"))
    for part_scores, part_labels in zip(scores.tensor_split(batches), labels.tensor_split(batches), strict=True):
        tally.add(part_scores.new_tensor(2.0 * len(part_labels)), part_scores, part_labels)
    values = tally.read()
    predicted = scores.argmax(1)
    assert values["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert values["f1"] == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))
    assert values["loss"] == pytest.approx(2.0)
    assert ("top5" in values) == (classes > 5)
    if classes > 5:
        expected = top_k_accuracy_score(labels, scores, k=5, labels=list(range(classes)))
        assert values["top5"] == pytest.approx(expected)


def test_the_report_per_class_is_scikit_learns() -> None:
    random = np.random.default_rng(3)
    labels, predicted = random.integers(0, 6, 200), random.integers(0, 5, 200)
    counts = confusion(labels, predicted, 6)
    assert (counts == confusion_matrix(labels, predicted, labels=range(6))).all()
    names = tuple("abcdef")
    theirs = classification_report(
        labels, predicted, labels=range(6), target_names=names, output_dict=True, zero_division=0
    )
    for row in per_class(counts, names):
        expected = theirs[row["class"]]
        assert row["precision"] == pytest.approx(expected["precision"])
        assert row["recall"] == pytest.approx(expected["recall"])
        assert row["f1"] == pytest.approx(expected["f1-score"])
        assert row["images"] == expected["support"]

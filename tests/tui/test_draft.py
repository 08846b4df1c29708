"""The form and the command line mean the same, and every mistake stands beside its field."""

from __future__ import annotations

from typing import Any

import pytest

from recipes import find
from recipes.flags import Flags, overrides
from tui.screens.draft import draft
from tui.screens.preview import cost, differences, flat, learning_rate


@pytest.fixture
def two_stage() -> dict[str, Any]:
    return find.document("two_stage")


def test_a_blank_form_is_the_recipe(two_stage: dict[str, Any]) -> None:
    assert draft(two_stage, {}).recipes == (find.load("two_stage"),)


def test_fields_mean_what_the_flags_of_the_command_line_mean(two_stage: dict[str, Any]) -> None:
    texts = {"data": "digits", "epochs": "11", "batch-size": "8", "dropout": "0.1", "mixup": "off", "dev-mode": "on",
             "precision": "fp32", "sets": "loss.label_smoothing=0.1"}  # fmt: skip
    flags = Flags(
        values={"data": "digits", "epochs": 11, "batch-size": 8, "dropout": 0.1, "precision": "fp32"},
        mixup=False,
        dev_mode=True,
        sets=("loss.label_smoothing=0.1",),
    )
    assert draft(two_stage, texts).recipes == (find.load("two_stage", overrides=overrides(flags, two_stage)),)


def test_each_seed_is_a_job(two_stage: dict[str, Any]) -> None:
    assert [recipe.run.seed for recipe in draft(two_stage, {"seed": "3, 5-7"}).recipes] == [3, 5, 6, 7]


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("epochs", "x", "'x' is not a whole number"),
        ("epochs", "0", "greater than or equal to 1"),
        ("lr", "-1", "greater than 0"),
        ("lr", "fast", "is not a number"),
        ("dropout", "1.5", "less than 1"),
        ("model", "resnet5", "no model named 'resnet5'"),
        ("image-size", "4", "greater than or equal to 8"),
        ("device", "tpu", "match pattern"),
        ("seed", "1,x", "is not a whole number"),
        ("batch-size", "0", "between 1 and 65536"),
        ("warmup-epochs", "200", "leaves nothing"),
        ("freeze", "on", "cannot apply"),
        ("sets", "optim.speed=1", ""),
        ("sets", "nonsense", "expected section.key=value"),
        ("sets", "'open", "not closed"),
    ],
)
def test_a_mistake_stands_beside_its_field(two_stage: dict[str, Any], field: str, text: str, said: str) -> None:
    found = draft(two_stage, {field: text})
    assert found.recipes == ()
    place = field if field in found.errors else ""
    assert said in found.errors[place]
    assert place == field or text == "optim.speed=1"


def test_the_curve_of_the_form_is_the_schedule_of_the_training_loop() -> None:
    picture = learning_rate(find.load("improved_resnet50"))
    assert [(mark.label, mark.x) for mark in picture.marks] == [("warm-up ends", 5.0)]
    ys = [y for y in picture.curves[0].ys if y is not None]
    assert max(ys) == pytest.approx(5e-4, rel=1e-3)
    assert ys[0] == pytest.approx(0.02 * 5e-4)
    assert ys[-1] == pytest.approx(1e-6, rel=0.1)


def test_differences_name_the_stage_they_are_in(two_stage: dict[str, Any]) -> None:
    after = find.load("two_stage", overrides={"stages": {"head": {"optim": {"lr": 1.0}}}}).model_dump(mode="json")
    before = find.load("two_stage").model_dump(mode="json")
    assert differences(before, after) == [("stages.head.optim.lr", 2e-3, 1.0)]
    assert flat(two_stage)["stages.head.epochs"] == 10


def test_cost_is_said_only_where_it_was_measured() -> None:
    assert cost(find.load("demo"), []) == ""

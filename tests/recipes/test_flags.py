"""Short flags set the field a recipe has, or are refused with the reason."""

from typing import Any

import pytest

from recipes import find
from recipes.errors import UsageError
from recipes.flags import FIELDS, Flags, overrides
from recipes.merge import merge
from recipes.recipe import Recipe, validate
from recipes.sections import Section


def apply(name: str, **given: Any) -> Recipe:
    document = find.document(name)
    values = {key.replace("_", "-"): value for key, value in given.pop("values", {}).items()}
    return validate(merge(document, overrides(Flags(values=values, **given), document)), name)


def test_every_flag_names_a_field_that_exists() -> None:
    recipe = find.load("demo")
    for path in FIELDS.values():
        section, key = path.split(".")
        part: Section = getattr(recipe, section)
        assert key in type(part).model_fields


def test_a_flag_beats_set_which_beats_the_recipe() -> None:
    recipe = apply("quick_test", sets=("optim.lr=0.5", "run.epochs=9"), values={"lr": 0.25})
    assert (recipe.optim.lr, recipe.run.epochs, recipe.run.batch_size) == (0.25, 9, 16)


def test_mixing_flags_keep_the_recipes_alpha_or_take_the_papers() -> None:
    assert apply("demo", mixup=True, cutmix=True).augment.mixup_alpha == 0.2
    assert apply("demo", mixup=True, cutmix=True).augment.cutmix_alpha == 1.0
    assert apply("quick_test", mixup=False).augment.mixup_alpha == 0
    assert apply("quick_test", sets=("augment.cutmix_alpha=0.5",), cutmix=None).augment.cutmix_alpha == 0.5


def test_development_mode_has_a_default_and_a_number() -> None:
    assert apply("demo", dev_mode=True).data.samples == 100
    assert apply("demo", dev_mode=True, values={"dev_samples": 7}).data.samples == 7
    assert apply("quick_test", dev_mode=False).data.samples is None


def test_freezing_makes_one_frozen_stage() -> None:
    (plan,) = apply("demo", freeze_backbone=True, values={"epochs": 4}).plan()
    assert (plan.freeze, plan.epochs) == ("backbone", 4)


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("two_stage", {"freeze_backbone": True}, "says for each of its stages what is frozen"),
        ("demo", {"mixup": False, "values": {"mixup_alpha": 0.2}}, "contradict"),
        ("demo", {"mixup": True, "values": {"mixup_alpha": 0.0}}, "contradict"),
        ("demo", {"dev_mode": False, "values": {"dev_samples": 5}}, "contradict"),
    ],
)
def test_a_flag_that_cannot_apply_is_refused_with_the_reason(name: str, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        apply(name, **given)


def test_a_flag_that_every_stage_overrides_is_refused() -> None:
    document = find.document("two_stage")
    for stage in document["stages"]:
        stage["optim"] = {"lr": 1e-3}
    with pytest.raises(UsageError, match="each set optim.lr") as caught:
        overrides(Flags(values={"lr": 0.1}), document)
    assert "--set stages.finetune.optim.lr=VALUE" in caught.value.hint

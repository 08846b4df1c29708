"""Recipes are found, composed, and refused with a reason."""

from pathlib import Path

import pytest

from recipes import find
from recipes.errors import RecipeError, UsageError
from recipes.merge import assignments, merge, to_toml
from recipes.recipe import validate


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path


def test_every_built_in_recipe_is_valid_and_says_what_it_is_for() -> None:
    for name in find.available():
        assert find.load(name).description, name


@pytest.mark.parametrize("spelling", ["two_stage", "two-stage", " two-stage "])
def test_dash_and_underscore_are_the_same(spelling: str) -> None:
    assert find.load(spelling).name == "two_stage"


def test_the_card_of_quick_test() -> None:
    recipe = find.load("quick_test")
    assert (recipe.model.name, recipe.data.image_size, recipe.run.batch_size) == ("efficientnet_b3", 300, 16)
    assert (recipe.run.epochs, recipe.data.samples, recipe.schedule.warmup_epochs) == (3, 100, 1)
    assert (recipe.augment.mixup_alpha, recipe.augment.cutmix_alpha) == (0.2, 1.0)
    assert recipe.data.source == "food-101"


def test_the_card_of_single_stage_b3() -> None:
    recipe = find.load("single_stage_b3")
    assert (recipe.model.name, recipe.data.image_size, recipe.run.batch_size) == ("efficientnet_b3", 300, 16)
    assert (recipe.run.epochs, recipe.schedule.warmup_epochs, recipe.schedule.name) == (150, 5, "cosine")
    assert (recipe.augment.mixup_alpha, recipe.augment.cutmix_alpha) == (0.2, 1.0)


def test_the_card_of_two_stage() -> None:
    head, rest = find.load("two_stage").plan()
    assert (head.epochs, head.freeze, rest.epochs, rest.freeze) == (10, "backbone", 100, "none")


def test_the_card_of_improved_resnet50() -> None:
    recipe = find.load("improved_resnet50")
    assert (recipe.model.name, recipe.data.image_size, recipe.run.batch_size) == ("resnet50", 224, 32)
    assert (recipe.run.epochs, recipe.optim.name, recipe.optim.lr) == (50, "adamw", 5e-4)
    assert (recipe.schedule.warmup_epochs, recipe.schedule.warmup_start_factor) == (5, 0.02)
    assert (recipe.schedule.name, recipe.schedule.min_lr) == ("cosine", 1e-6)
    assert recipe.augment.mixup_alpha == recipe.augment.cutmix_alpha == 0


def test_a_recipe_of_ones_own_extends_and_hides_a_built_in(own: Path) -> None:
    (own / "two_stage.toml").write_text('extends = "two_stage"\n[optim]\nlr = 0.25\n')
    recipe = find.load("two-stage", own)
    assert recipe.optim.lr == 0.25
    assert [stage.name for stage in recipe.stages] == ["head", "finetune"]


def test_a_circle_of_extends_is_refused(own: Path) -> None:
    (own / "a.toml").write_text('extends = "b"\n')
    (own / "b.toml").write_text('extends = "a"\n')
    with pytest.raises(RecipeError, match="extends itself"):
        find.load("a", own)


def test_an_unknown_recipe_offers_the_closest() -> None:
    with pytest.raises(RecipeError) as caught:
        find.load("two_stagee")
    assert caught.value.hint == "did you mean 'two_stage'?"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[optim]\nlrr = 1", "unknown key 'optim.lrr'", "did you mean 'lr'?"),
        ("[optin]\nlr = 1", "unknown key 'optin'", "did you mean 'optim'?"),
        ("[optim]\nlr = -1", "optim.lr: input should be greater than 0, not -1", ""),
        ("[data]\nsplits = [0.5, 0.5, 0.5]", "data: splits must sum to 1, not 1.5", ""),
        ("[run]\nbatch_size = 10\naccumulation = 3", "cannot be split into 3 equal micro-batches", ""),
        ("[run]\nepochs = 2\n[schedule]\nwarmup_epochs = 2", "leaves nothing of its 2 epochs", "lower schedule.warmup"),
        ("extends = 'two_stage'\n[run]\nepochs = 1", "2 stages need at least 2 epochs", "raise run.epochs"),
        ("[[stages]]\nname = 'a'\n[stages.model]\nname = 'x'", "stages.a.model.name cannot be set in a stage", ""),
        ("[[stages]]\nname = 'a'\n[stages.modle]\ndropout = 0", "unknown key 'stages.a.modle'", ""),
        ("[[stages]]\nname = 'a'\n[stages.run]\nseed = 1", "it belongs to the whole run", ""),
        ("[[stages]]\nname = 'a'\n[[stages]]\nname = 'a'", "stage names must differ", "rename one"),
        (
            "[run]\nselect = 'loss'\n[[stages]]\nname = 'a'\n[[stages]]\nname = 'b'\n[stages.loss]\nname = 'bce'",
            "run.select = loss cannot choose between stages",
            "accuracy or f1",
        ),
        ("name = ", "not valid TOML", ""),
    ],
)
def test_a_bad_recipe_is_refused_in_one_line(own: Path, text: str, message: str, hint: str) -> None:
    (own / "bad.toml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        find.load("bad", own)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_what_is_shown_as_toml_reads_back_as_the_same_recipe() -> None:
    import tomllib

    for name in find.available():
        recipe = find.load(name)
        assert validate(tomllib.loads(to_toml(recipe.model_dump(mode="json"))), name) == recipe


def test_toml_has_no_empty_tables_and_its_lists_stand_on_one_line() -> None:
    text = to_toml(find.load("two_stage").model_dump(mode="json"))
    assert "splits = [0.7, 0.15, 0.15]\n" in text
    assert not [each for each in text.split("\n\n") if each.startswith("[") and "\n" not in each]
    assert to_toml({"classes": ["a  b", "c, [d]"], "none": {}, "last": {}}) == 'classes = ["a  b", "c, [d]"]\n'


@pytest.mark.parametrize(
    ("pair", "message", "hint"),
    [
        ("run.device=gpu", "run.device: expected auto, cpu, cuda, cuda:N or mps, not 'gpu'", ""),
        ("run.batch_size=x", "run.batch_size: expected a whole number or 'auto', not 'x'", ""),
        ("run.channels_last=x", "run.channels_last: expected true, false or 'auto', not 'x'", ""),
        ("data.splits=0.5,0.5", "data.splits: expected three shares that sum to 1", ""),
        ("data.splits=[0.5,0.5]", "data.splits: expected three shares that sum to 1", ""),
        ("optim=3", "optim: expected a section, not 3", "set its fields, as optim.KEY = VALUE"),
        ("run.early_stopping=3", "run.early_stopping: expected a section, not 3", "run.early_stopping.KEY"),
        ("stages.head.optim=3", "stages.head.optim: expected a section, not 3", "stages.head.optim.KEY"),
        ("data.source=[1]", "data.source: expected text", ""),
        ("lr=1", "unknown key 'lr'", "did you mean 'optim.lr'?"),
        ("stages.head.lr=1", "unknown key 'stages.head.lr'", "did you mean 'optim.lr'?"),
    ],
)
def test_a_value_that_does_not_fit_is_explained_in_the_recipes_own_words(pair: str, message: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        find.load("two_stage", overrides=assignments([pair]))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_set_reads_toml_values_and_plain_words() -> None:
    assert assignments(
        ["optim.lr=1e-3", "model.name=resnet18", "model.pretrained=false", "data.splits=[0.6,0.2,0.2]"]
    ) == {
        "optim": {"lr": 1e-3},
        "model": {"name": "resnet18", "pretrained": False},
        "data": {"splits": [0.6, 0.2, 0.2]},
    }


def test_a_folder_or_a_job_may_be_called_by_a_number() -> None:
    recipe = find.load("two_stage", overrides=assignments(["data.source=2024", "model.init_from=12"]))
    assert (recipe.data.source, recipe.model.init_from) == ("2024", "12")


def test_set_reaches_into_a_stage_by_name() -> None:
    recipe = find.load("two_stage", overrides=assignments(["stages.head.optim.lr=0.5"]))
    head, rest = recipe.plan()
    assert (head.optim.lr, rest.optim.lr) == (0.5, recipe.optim.lr)


def test_set_to_none_unsets() -> None:
    assert find.load("quick_test", overrides=assignments(["data.samples=none"])).data.samples is None


@pytest.mark.parametrize("pair", ["optim.lr", "=3", "optim..lr=3"])
def test_a_malformed_set_is_a_usage_error(pair: str) -> None:
    with pytest.raises(UsageError, match="expected section.key=value"):
        assignments([pair])


def test_merging_replaces_values_and_joins_tables() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2]}) == {"a": {"b": 3, "c": 2}, "d": [2]}

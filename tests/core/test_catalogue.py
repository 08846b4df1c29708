"""The table of models says what timm says."""

from pathlib import Path

import pytest
import timm
import timm.optim
import torch

from core.catalogue import OPTIMIZERS, build_optimizers, cached, entries, optimizers
from core.names import SHORT_NAMES, check_model_name, listing


def test_the_table_lists_exactly_the_models_of_the_installed_timm() -> None:
    assert [entry.name for entry in entries()] == timm.list_models()


def test_the_list_of_optimisers_is_that_of_the_installed_timm() -> None:
    assert optimizers() == timm.optim.list_optimizers()
    assert OPTIMIZERS.read_text(encoding="ascii") == build_optimizers()


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b3", "vit_tiny_patch16_224", "convnext_tiny"])
def test_parameters_and_input_size_are_those_of_the_built_model(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
    (entry,) = [found for found in entries(name) if found.name == name]
    assert entry.millions == round(sum(parameter.numel() for parameter in model.parameters()) / 1e6, 1)
    assert entry.input_size == model.pretrained_cfg["input_size"][-1]
    assert entry.pretrained


def test_a_word_matches_anywhere_and_a_pattern_as_a_shell_would() -> None:
    assert {"convnext_tiny", "test_convnext"} <= {entry.name for entry in entries("convnext")}
    assert all(entry.name.startswith("convnext_") for entry in entries("convnext_*"))
    assert all(entry.pretrained for entry in entries("efficientnet", pretrained=True))


def test_a_short_name_is_listed_with_what_it_builds_and_its_vetted_sizes() -> None:
    """timm has an efficientnetv2_l without weights, too, and calls 288 pixels the size of B3."""
    found = {model.name: model for model in listing()}
    assert {name: (found[name].timm, found[name].sizes) for name in SHORT_NAMES} == {
        name: (short.timm, short.sizes) for name, short in SHORT_NAMES.items()
    }
    assert all(found[name].pretrained for name in SHORT_NAMES)
    (others, known) = ([name for name in found if name not in SHORT_NAMES], timm.list_models())
    assert others == [name for name in known if name not in SHORT_NAMES]
    assert {model.name for model in listing("swin_b", pretrained=True)} == {
        "swin_base", "swin_base_patch4_window7_224", "swin_base_patch4_window12_384",
    }  # fmt: skip


def test_weights_in_the_local_cache_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("resnet18.a1_in1k", "resnet34.a1_in1k"):
        (tmp_path / f"models--timm--{name}" / "snapshots" / "abc").mkdir(parents=True)
    (tmp_path / "models--timm--resnet18.a1_in1k" / "snapshots" / "abc" / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert cached(["resnet18", "resnet34", "resnet50"]) == {"resnet18"}


@pytest.mark.parametrize(
    "name", ["timm/resnet18.a1_in1k", "hf_hub:timm/resnet18.a1_in1k", "hf-hub:timm/resnet18.a1_in1k"]
)
def test_a_model_may_be_named_as_its_page_on_the_hub_is(name: str) -> None:
    assert check_model_name(name) == "resnet18.a1_in1k"

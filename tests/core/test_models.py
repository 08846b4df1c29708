"""Building networks: names, weights from files, heads, freezing, regularisation."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers import DropPath
from timm.models.resnet import Bottleneck
from torch import nn

from core.heads import MlpHead, classifier_name, freeze_backbone, set_training
from core.models import Network, build, set_image_size
from core.names import SHORT_NAMES, architectures, check_model_name
from core.regularise import Regularisation
from core.weights import copy_fitting
from recipes.errors import ConfigurationError
from recipes.sections import Head, Model

FLOWERS_WEIGHTS = Path(__file__).parents[3] / "shared" / "weights" / "tf_efficientnet_lite0.safetensors"


def scratch(name: str = "test_resnet", **settings: object) -> Model:
    return Model.model_validate({"name": name, "pretrained": False, **settings})


def test_the_list_of_architectures_is_timms() -> None:
    assert architectures() == frozenset(timm.list_models())


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_every_short_name_has_published_weights(name: str) -> None:
    assert timm.is_model_pretrained(check_model_name(name))


def test_the_vetted_models_and_their_input_sizes() -> None:
    assert {name: short.sizes for name, short in SHORT_NAMES.items()} == {
        "efficientnet_b0": (224,), "efficientnet_b3": (300,), "efficientnet_b4": (380,), "efficientnetv2_l": (480, 600),
        "resnet18": (224,), "resnet50": (224,), "mobilenetv2": (224,),
        "convnext_tiny": (224,), "convnext_base": (224,), "convnext_large": (224,), "swin_base": (224,),
    }  # fmt: skip


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_every_short_name_builds_at_its_sizes_without_memory_for_its_weights(name: str) -> None:
    for side in SHORT_NAMES[name].sizes:
        with torch.device("meta"):
            body = build(scratch(name), 7, side).body
            assert body(torch.empty(2, 3, side, side)).shape == (2, 7)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("resnet51", "resnet5"), ("efficientnetb3", "efficientnet_b3"), ("convnexttiny", "convnext_tiny")],
)
def test_an_unknown_model_is_refused_with_the_closest_name(wrong: str, right: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_model_name(wrong)
    assert right in caught.value.hint


def test_a_name_with_a_tag_is_kept() -> None:
    assert check_model_name("resnet50.a1_in1k") == "resnet50.a1_in1k"


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("classes", [5, 1000])
def test_local_weights_fill_everything_but_a_classifier_of_another_size(
    tmp_path: Path, suffix: str, classes: int
) -> None:
    source = timm.create_model("test_resnet", num_classes=1000).state_dict()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save({"state_dict": source}, path)
    else:
        save_file(source, path)
    built = build(scratch(weights=str(path)), classes, 32).body.state_dict()
    for name, value in source.items():
        if not name.startswith("fc.") or classes == 1000:
            assert torch.equal(built[name], value), name
    assert built["fc.weight"].shape[0] == classes


def test_weights_of_a_transformer_fit_another_image_size() -> None:
    """Its position embedding is resampled; nothing stays as it was drawn."""
    small, large = (build(scratch("test_vit"), 5, side).body for side in (64, 128))
    assert copy_fitting(large, small.state_dict()).misfits == ()
    first, grid = small.state_dict()["pos_embed"].split([1, 16], dim=1)
    wanted = F.interpolate(grid.mT.unflatten(2, (4, 4)), size=(8, 8), mode="bicubic", antialias=True)
    torch.testing.assert_close(large.state_dict()["pos_embed"], torch.cat([first, wanted.flatten(2).mT], dim=1))


def test_weights_of_another_architecture_are_refused_with_numbers_and_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(timm.create_model("test_efficientnet").state_dict(), path)
    with pytest.raises(ConfigurationError, match=r"1 of \d+ tensors matched; conv1\S+: not in the file"):
        build(scratch(weights=str(path)), 5, 32)


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 half a zip"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not a weights file"):
        build(scratch(weights=str(path)), 5, 32)


def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "sprung"),))  # type: ignore[return-value]

    path = tmp_path / "weights.pt"
    torch.save({"a": Trap()}, path)
    with pytest.raises(ConfigurationError, match="is not a weights file"):
        build(scratch(weights=str(path)), 5, 32)
    assert not (tmp_path / "sprung").exists()


def test_without_network_both_ways_out_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        build(Model(name="resnet18"), 5, 32)
    assert "--weights FILE" in caught.value.hint
    assert "model.pretrained=false" in caught.value.hint


@pytest.mark.skipif(not FLOWERS_WEIGHTS.exists(), reason="needs ../shared/weights")
def test_real_weights_start_a_new_classifier_near_the_loss_of_guessing() -> None:
    torch.manual_seed(0)
    network = build(Model(name="tf_efficientnet_lite0", weights=str(FLOWERS_WEIGHTS)), 12, 224).eval()
    images = torch.randint(0, 256, (4, 3, 224, 224), dtype=torch.uint8)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(network(network.normalize(images, True)), torch.arange(4))
    assert loss.item() == pytest.approx(2.485, abs=0.5)  # log(12)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit", "test_convnext"])
def test_a_frozen_backbone_trains_the_classifier_alone(name: str) -> None:
    body = build(scratch(name), 5, 32).body
    freeze_backbone(body, True)
    set_training(body, True)
    prefix = classifier_name(body)
    assert {n for n, p in body.named_parameters() if p.requires_grad} == {f"{prefix}.weight", f"{prefix}.bias"}
    assert [n for n, m in body.named_modules() if m.training] == [prefix]
    freeze_backbone(body, False)
    assert all(parameter.requires_grad for parameter in body.parameters())


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit", "test_convnext"])
def test_the_mlp_head_is_the_one_described(name: str) -> None:
    body = build(scratch(name, head=Head.MLP, dropout=0.5), 5, 32).body
    head = body.get_submodule(classifier_name(body))
    assert isinstance(head, MlpHead)
    kinds = [type(layer) for layer in head]
    assert kinds == [
        nn.Dropout, nn.Linear, nn.ReLU, nn.BatchNorm1d, nn.Dropout,
        nn.Linear, nn.ReLU, nn.BatchNorm1d, nn.Dropout, nn.Linear,
    ]  # fmt: skip
    assert [layer.p for layer in head if isinstance(layer, nn.Dropout)] == [0.5, 0.25, 0.25]
    assert [layer.out_features for layer in head if isinstance(layer, nn.Linear)] == [512, 128, 5]
    assert body.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 5)


def test_images_are_normalised_as_the_weights_were_trained() -> None:
    network = Network(nn.Identity(), (0.5, 0.4, 0.3), (0.2, 0.25, 0.5))
    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    expected = images.double() / 255
    for channel, (mean, std) in enumerate(zip((0.5, 0.4, 0.3), (0.2, 0.25, 0.5), strict=True)):
        expected[:, channel] = (expected[:, channel] - mean) / std
    torch.testing.assert_close(network.normalize(images, True).double(), expected, rtol=1e-5, atol=1e-6)


def varies(body: nn.Module) -> bool:
    """Whether two passes in training mode over the same images differ."""
    images = torch.randn(8, 3, 32, 32)
    body.train()
    return not torch.allclose(body(images), body(images))


@pytest.mark.parametrize("setting", ["dropout", "drop_path"])
def test_dropout_and_drop_path_make_passes_differ(setting: str) -> None:
    assert not varies(build(scratch("test_convnext"), 5, 32).body)
    assert varies(build(scratch("test_convnext", **{setting: 0.5}), 5, 32).body)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit", "test_convnext"])
@pytest.mark.parametrize("head", list(Head))
def test_dropout_before_the_classifier_works_on_a_frozen_backbone(name: str, head: Head) -> None:
    images = torch.randn(8, 3, 32, 32)
    for dropout in (0.0, 0.5):
        body = build(scratch(name, head=head, dropout=dropout), 5, 32).body
        freeze_backbone(body, frozen=True)
        set_training(body, frozen=True)
        assert torch.equal(body(images), body(images)) is (dropout == 0)
        body.eval()
        assert torch.equal(body(images), body(images))


def test_dropout_drops_its_share_of_the_features_once_and_keeps_the_names_of_the_weights() -> None:
    plain, dropping = (build(scratch("test_resnet", dropout=rate), 5, 32).body for rate in (0.0, 0.25))
    assert list(plain.state_dict()) == list(dropping.state_dict())
    classifier = dropping.get_submodule("fc")
    classifier.weight.data.fill_(1.0)
    features = torch.ones(2000, classifier.in_features)
    kept = (classifier(features) - classifier.bias)[:, 0] * 0.75 / classifier.in_features
    assert kept.mean().item() == pytest.approx(0.75, abs=0.01)
    assert getattr(dropping, "drop_rate") == 0  # noqa: B009 - timm's own would drop a second time


def test_dropout_of_a_classifier_that_is_not_linear_is_timms_own() -> None:
    assert varies(build(scratch("dla34", dropout=0.5), 5, 64).body)


def test_spatial_dropout_drops_whole_channels_in_every_residual_block() -> None:
    assert not varies(build(scratch("resnet26"), 5, 32).body)
    body = build(scratch("resnet26", spatial_dropout=0.5), 5, 32).body
    blocks = [module for module in body.modules() if isinstance(module, Bottleneck)]
    assert len(blocks) == 8
    for block in blocks:
        nn.init.ones_(block.bn3.weight)  # timm starts it at zero, so that a block is nothing but its shortcut
    seen: list[torch.Tensor] = []
    blocks[0].drop_block.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    assert varies(body)
    dropped = (seen[0] == 0).flatten(2).all(dim=2).float().mean().item()
    assert 0.3 < dropped < 0.7
    with pytest.raises(ConfigurationError, match="residual"):
        build(scratch("test_vit", spatial_dropout=0.5), 5, 32)


def test_gradient_checkpointing_gives_the_same_gradient() -> None:
    images = torch.randn(4, 3, 32, 32)
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(1)
        body = build(scratch("test_resnet", grad_checkpointing=recompute), 5, 32).body
        assert getattr(body, "grad_checkpointing") is recompute  # noqa: B009
        body.eval()(images).sum().backward()
        gradients.append([parameter.grad for parameter in body.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit", "test_convnext"])
def test_gradient_checkpointing_passes_through_the_network_twice(name: str) -> None:
    passes = []
    for recompute in (False, True):
        body = build(scratch(name, grad_checkpointing=recompute), 5, 32).body.train()
        calls: list[nn.Module] = []
        for module in body.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(lambda module, _inputs, _output, calls=calls: calls.append(module))
        body(torch.randn(2, 3, 32, 32)).sum().backward()
        passes.append(len(calls))
    assert passes[1] > 1.5 * passes[0]


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_a_network_takes_a_larger_image_size_in_a_later_stage(name: str) -> None:
    network = build(scratch(name), 5, 64)
    set_image_size(network, 96)
    assert network.eval()(torch.zeros(1, 3, 96, 96)).shape == (1, 5)


@pytest.mark.parametrize("name", [*SHORT_NAMES, "ghostnet_050", "rexnet_100", "focalnet_tiny_srf"])
def test_a_model_brings_no_rates_of_its_own(name: str) -> None:
    """Swin's own stochastic depth of 0.1 ended every run without one in a division by zero."""
    with torch.device("meta"):
        network = build(scratch(name), 5, 224)
    Regularisation(network, scratch(name)).apply(scratch(name))
    modules = list(network.body.modules())
    assert not any(module.drop_prob for module in modules if isinstance(module, DropPath))
    assert not any(module.p for module in modules if isinstance(module, nn.Dropout))
    assert not getattr(network.body, "drop_rate", 0.0)


def test_images_of_a_size_that_a_transformer_cannot_take_are_refused_with_what_to_change() -> None:
    with pytest.raises(ConfigurationError, match="images of 40 px: .*patch size") as caught:
        build(scratch("test_vit"), 5, 40)(torch.zeros(1, 3, 40, 40))
    assert "data.image_size" in caught.value.hint

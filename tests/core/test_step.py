"""One optimiser step: micro-batches, averaged weights, and weights taken from another run."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.checkpoint import LAST, load, save
from core.ema import build_average
from core.events import EpochEnded, Event, StageStarted, Warned
from core.losses import Criterion
from core.mixing import Mixed, mix
from core.models import build
from core.optim import build_optimizer
from core.precision import Numbers
from core.step import Learner, right_answers, take_step
from core.weights import start_from
from recipes.errors import ConfigurationError
from recipes.recipe import Recipe
from recipes.sections import Augment, Loss, LossName, Model, Optim

Make = Callable[..., Recipe]
Go = Callable[..., list[Event]]
CPU = torch.device("cpu")


def learner(
    micro_batch: int, *, model: str = "test_vit", loss: Loss | None = None, ema: float = 0.0, clip: float = 0.0
) -> Learner:
    torch.manual_seed(0)
    network = build(Model(name=model, pretrained=False), 5, 32).train()
    optimizer = build_optimizer(Optim(name="sgd", lr=0.1, weight_decay=0.0), network.body)
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0])
    return Learner(
        network=network,
        average=build_average(network, ema),
        optimizer=optimizer,
        criterion=Criterion(loss or Loss(), 5, weights),
        numbers=Numbers("fp32", False),
        scaler=None,
        device=CPU,
        clip_grad_norm=clip,
        micro_batch=micro_batch,
        seed=0,
    )


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8), torch.randint(0, 5, (12,))


def flat(of: Learner) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in of.network.parameters()])


def floats(of: nn.Module) -> Tensor:
    """Weights and moving statistics, in float64."""
    return torch.cat([value.flatten().double() for value in of.state_dict().values() if value.is_floating_point()])


@pytest.mark.parametrize("name", list(LossName))
@pytest.mark.parametrize("micro_batch", [1, 5, 6])
def test_micro_batches_give_the_update_of_the_whole_mixed_and_weighted_batch(name: LossName, micro_batch: int) -> None:
    mixing = Augment(mixup_alpha=1.0, cutmix_alpha=1.0)
    whole, cut = (learner(size, loss=Loss(name=name, label_smoothing=0.1)) for size in (12, micro_batch))
    rows = [take_step(one, *batch(), mixing, step=3) for one in (whole, cut)]
    torch.testing.assert_close(flat(whole), flat(cut), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(rows[0], rows[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_batchnorm_never_meets_a_single_image_however_a_last_batch_is_cut(recipe: Make, run: Go, head: str) -> None:
    """3 images in micro-batches of 2 are not cut into 2 and 1, and a micro-batch of 1 becomes 2."""
    ragged = recipe("data.samples=51", "run.batch_size=4", "run.accumulation=2", f"model.head={head}")
    run(ragged, "ragged")
    events = run(recipe("run.batch_size=8", "run.accumulation=8", f"model.head={head}"), "single")
    (stage,) = [event for event in events if isinstance(event, StageStarted)]
    told = [event.message for event in events if isinstance(event, Warned) and event.kind == "batch_norm"]
    assert (stage.micro_batch, len(told)) == ((2, 0) if head == "mlp" else (1, 1))
    with pytest.raises(ConfigurationError, match="a batch of one image"):
        run(recipe("run.batch_size=1", f"model.head={head}"), "one")


def test_a_step_is_a_function_of_seed_and_step_whatever_was_drawn_before() -> None:
    mixing = Augment(mixup_alpha=1.0)
    first, second = learner(12), learner(12)
    torch.manual_seed(99)
    take_step(first, *batch(), mixing, step=7)
    torch.rand(1000)
    take_step(second, *batch(), mixing, step=7)
    assert torch.equal(flat(first), flat(second))


def test_an_answer_counts_by_lam_for_its_own_label_and_by_the_rest_for_its_partners() -> None:
    scores = torch.eye(4)[[0, 1, 2, 3]]
    a, b = torch.tensor([0, 1, 0, 0]), torch.tensor([1, 2, 2, 1])  # right: a, a, b, neither
    assert right_answers(scores, Mixed(scores, a, b, 0.7)).item() == pytest.approx(2 * 0.7 + 0.3)
    assert right_answers(scores, Mixed(scores, a, a, 1.0)).item() == 2


@pytest.mark.parametrize("mixing", [Augment(mixup_alpha=1.0), Augment(cutmix_alpha=1.0)])
def test_a_step_counts_answers_by_lam(mixing: Augment) -> None:
    one, (images, labels) = learner(5), batch()
    counts = []
    for step in range(6):
        mixed = mix(one.network.normalize(images, False), labels, mixing, seed=0, step=step)
        predicted = one.network(mixed.images).argmax(1)
        first, second = ((predicted == which).sum().item() for which in (mixed.labels_a, mixed.labels_b))
        counts.append((mixed.lam * first + (1 - mixed.lam) * second, first))
        assert take_step(one, images, labels, mixing, step)[2].item() == pytest.approx(counts[-1][0], abs=1e-4)
    assert any(abs(count - first) > 0.1 for count, first in counts)


def test_clipping_bounds_the_update() -> None:
    start, clipped = flat(learner(12)), learner(12, clip=1e-3)
    take_step(clipped, *batch(), Augment(), step=0)
    moved = (flat(clipped) - start).norm().item()
    assert moved == pytest.approx(0.1 * 1e-3 * 1.9, rel=0.02)  # Nesterov's first step: lr x (1 + momentum) x gradient


@pytest.mark.parametrize("model", ["test_vit", "test_resnet"])
def test_averaged_weights_follow_the_formula_with_its_warm_up(model: str) -> None:
    """BatchNorm's statistics are averaged with the weights; its count of batches is the network's own."""
    one = learner(12, model=model, ema=0.5)
    assert one.average is not None
    expected = floats(one.network)
    for step in range(4):
        take_step(one, *batch(), Augment(), step=step)
        decay = 0.0 if step == 0 else min(0.5, 1 - (1 + step) ** (-2 / 3))
        expected = decay * expected + (1 - decay) * floats(one.network)
    torch.testing.assert_close(floats(one.average.module), expected, rtol=1e-5, atol=1e-6)
    counts = [int(value) for name, value in one.average.module.state_dict().items() if "num_batches" in name]
    assert set(counts) == (set() if model == "test_vit" else {4})


def test_averaged_weights_have_their_own_validation(recipe: Make, run: Go) -> None:
    epochs = [e.metrics for e in run(recipe("run.ema_decay=0.99")) if isinstance(e, EpochEnded)]
    assert all(metrics["ema/loss"] != metrics["val/loss"] for metrics in epochs)


def test_a_run_starts_from_anothers_weights_and_names_what_did_not_fit(recipe: Make, run: Go, tmp_path: Path) -> None:
    first = run(recipe("run.epochs=1", "data.samples=80"), "first")
    assert not [event for event in first if isinstance(event, Warned)]
    path = tmp_path / "first" / "best_accuracy.pt"
    content = load(path)
    content["weights"]["fc.weight"] = torch.zeros(3, 7)
    content["weights"]["extra"] = torch.zeros(1)
    save(content, tmp_path / "other.pt")
    told: list[str] = []
    second = run(
        recipe("run.epochs=1", "optim.lr=1e-30", "optim.weight_decay=0"), "second", init_from=tmp_path / "other.pt"
    )
    told = [event.message for event in second if isinstance(event, Warned) and event.kind == "weights"]
    assert len(told) == 2
    assert "fc.weight: shape (3, 7) in the file, (10, 96) in the model" in told[0]
    assert "extra: not in the model" in told[1]
    ours = load(tmp_path / "second" / LAST)["weights"]
    assert torch.equal(ours["conv1.0.weight"], content["weights"]["conv1.0.weight"])


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_classifier_of_as_many_other_classes_is_not_taken_for_these(
    recipe: Make, run: Go, tmp_path: Path, head: str
) -> None:
    """Its shape fits; the numbers it gives are those of other things."""
    still = ("run.epochs=1", "optim.lr=1e-30", "optim.weight_decay=0", f"model.head={head}", "run.seed=1")
    run(recipe(*still), "first")
    content = load(tmp_path / "first" / LAST)
    content["classes"] = [f"a {name}" for name in content["classes"]]
    save(content, tmp_path / "other.pt")
    last = "fc.9" if head == "mlp" else "fc"
    for file, misfits in ((tmp_path / "first" / LAST, []), (tmp_path / "other.pt", [f"{last}.weight", f"{last}.bias"])):
        events = run(recipe(*still, "run.seed=2"), file.stem, init_from=file)
        told = [event.message.split(": ")[1] for event in events if isinstance(event, Warned)]
        assert told == misfits
        ours = load(tmp_path / file.stem / LAST)["weights"]
        trained = {f"{last}.weight", f"{last}.bias"}
        copied = {name for name, value in content["weights"].items() if torch.equal(ours[name], value)}
        assert trained & copied == (trained if not misfits else set())
        assert "conv1.0.weight" in copied
        assert head == "linear" or "fc.1.weight" in copied


def test_a_new_classifier_on_anothers_weights_starts_near_the_loss_of_guessing(tmp_path: Path) -> None:
    """timm's own initialisation of this one is made for training from scratch."""
    torch.manual_seed(0)
    model = Model(name="test_efficientnet", pretrained=False)
    body = build(model, 4, 32).body
    save({"weights": build(model, 9, 32).body.state_dict()}, tmp_path / "other.pt")
    start_from(body, tmp_path / "other.pt", list("abcd"))
    bound = 1 / math.sqrt(body.get_classifier().in_features)  # type: ignore[operator]
    assert body.get_classifier().weight.abs().max().item() <= bound  # type: ignore[operator]


def test_a_file_with_nothing_in_common_is_refused(recipe: Make, run: Go, tmp_path: Path) -> None:
    save({"weights": {"something": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(ConfigurationError, match="nothing in"):
        run(recipe(), init_from=tmp_path / "other.pt")

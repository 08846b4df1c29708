"""What is chosen, measured and recognised on a GPU; torch's own answers are pretended."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core import lr_find
from core.device import choose, make_repeatable
from core.events import RunStarted, StepLogged, Warned
from core.lr_find import find_rate
from core.memory import MemoryMeter
from core.memory_table import measure
from core.models import build
from core.precision import Numbers, likeliest
from core.step import Learner, is_out_of_memory, take_step
from core.train import train
from recipes.errors import OutOfMemoryError
from recipes.recipe import Recipe
from recipes.sections import Augment, Model, Run
from tests.core.pretended import pretended

Make = Callable[..., Recipe]
GIB = 1 << 30


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 20.00 GiB.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "FIND was unable to find an engine to execute this computation",
        "Unable to find a valid cuDNN algorithm to run convolution",
        "MPS backend out of memory (MPS allocated: 17.95 GB, other allocations: 64.00 KB, max allowed: 18.13 GB).",
        "Invalid buffer size: 24.00 GiB",
    ],
)
def test_want_of_memory_is_recognised_whichever_library_says_it(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize(
    "text", ["CUDA error: device-side assert triggered", "mat1 and mat2 shapes cannot be multiplied"]
)
def test_other_errors_of_a_device_are_not_taken_for_want_of_memory(text: str) -> None:
    assert not is_out_of_memory(RuntimeError(text))


def test_the_second_gpu_becomes_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    assert [str(choose(name)) for name in ("cuda:1", "auto", "cuda", "cpu")] == ["cuda:1", "cuda:0", "cuda:0", "cpu"]
    assert [str(device) for device in current] == ["cuda:1", "cuda:0", "cuda:0"]


def test_repeatable_runs_give_cublas_the_workspace_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)
    for deterministic, expected in ((False, None), (True, ":4096:8")):
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is put back afterwards
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
        make_repeatable(torch.device("cuda"), deterministic)
        assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == expected
        assert torch.backends.cudnn.benchmark is not deterministic


@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((12, 0), "bf16")])
def test_a_gpu_without_bf16_of_its_own_is_measured_with_fp16(
    capability: tuple[int, int], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert likeliest(Run(), torch.device("cuda:0")) == Numbers(precision, True)


def test_on_mps_only_a_person_chooses_channels_last() -> None:
    assert not likeliest(Run(), torch.device("mps")).channels_last
    assert likeliest(Run(channels_last=True), torch.device("mps")).channels_last


def test_the_memory_of_a_batch_on_mps_is_what_the_driver_keeps_of_it(
    recipe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a step its tensors are gone: what torch calls allocated is then that of the network alone."""
    plan = recipe().plan()[0]
    with pretended("mps", monkeypatch) as machine:
        network = build(Model(name="test_resnet", pretrained=False), 10, 32).to(machine.device)
        monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 1 * GIB)
        monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 6 * GIB)
        for total, fits in ((8 * GIB, True), (6 * GIB, False)):
            monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda total=total: total)
            (row,) = measure(network, plan, 10, Numbers("fp32", False), machine.device, most=1)
            assert (row.memory, row.fits) == (5 * GIB, fits)
        assert MemoryMeter(machine.device).read().peak == 6 * GIB


def test_the_peak_is_that_of_training_and_not_of_what_was_tried_before(
    recipe: Make, datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pass of a measurement is taken for 20 GiB, one of training for 3."""
    highest = [0]
    with pretended("cuda", monkeypatch):
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: highest[0])
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: highest.__setitem__(0, 0))
        monkeypatch.setattr(torch.cuda, "synchronize", lambda _: highest.__setitem__(0, 20 * GIB))
        peaks: list[int | None] = []
        plan = recipe("run.precision=auto", "run.device=cuda", "run.epochs=1")
        for event in train(plan, tmp_path / "run", datasets=datasets, stop=lambda: True):
            if isinstance(event, RunStarted):
                highest[0] = max(highest[0], 3 * GIB)
            if isinstance(event, StepLogged):
                peaks.append(event.memory.peak)
    assert peaks == [3 * GIB]


def scarce(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """A device with room for `most` images of the rate test."""

    def step(learner: Learner, images: Tensor, labels: Tensor, augment: Augment, number: int) -> Tensor:
        if learner.micro_batch > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return take_step(learner, images, labels, augment, number)

    monkeypatch.setattr(lr_find, "take_step", step)


def test_the_rate_test_goes_on_with_smaller_micro_batches_where_memory_runs_out(
    recipe: Make, datasets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scarce(monkeypatch, 4)
    told = [event.kind for event in find_rate(recipe(), datasets=datasets, steps=3) if isinstance(event, Warned)]
    assert told == ["out_of_memory"] * 2
    scarce(monkeypatch, 0)
    with pytest.raises(OutOfMemoryError, match="micro-batch of 1"):
        list(find_rate(recipe(), datasets=datasets, steps=3))

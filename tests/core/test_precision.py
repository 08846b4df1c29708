"""Choosing number and memory formats, and the device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from core.device import available, choose
from core.models import build
from core.precision import Numbers, choose_numbers
from recipes.errors import ConfigurationError
from recipes.sections import Model, Precision, Run

CPU = torch.device("cpu")
NETWORK = Model(name="test_resnet", pretrained=False)


def test_a_recipes_own_choice_is_taken_without_measuring(tmp_path: Path) -> None:
    run = Run(precision=Precision.BF16, channels_last=False)
    assert choose_numbers(run, build(NETWORK, 5, 32), 32, 8, CPU, tmp_path / "m.json") == Numbers("bf16", False)
    assert not (tmp_path / "m.json").exists()


def test_auto_measures_once_leaves_the_network_as_it_was_and_remembers(tmp_path: Path) -> None:
    network = build(NETWORK, 5, 32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    chosen = choose_numbers(Run(), network, 32, 8, CPU, tmp_path / "m.json")
    torch.manual_seed(3)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    (remembered,) = json.loads((tmp_path / "m.json").read_text()).values()
    assert remembered == {"precision": chosen.precision, "channels_last": chosen.channels_last}


def test_what_is_remembered_is_used_and_a_damaged_memory_ignored(tmp_path: Path) -> None:
    memory, network = tmp_path / "m.json", build(NETWORK, 5, 32)
    choose_numbers(Run(channels_last=True), network, 32, 8, CPU, memory)
    (key,) = json.loads(memory.read_text())
    for kept in ("bf16", "fp32"):
        memory.write_text(json.dumps({key: {"precision": kept, "channels_last": True}}))
        expected = kept if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"
        assert choose_numbers(Run(channels_last=True), network, 32, 8, CPU, memory).precision == expected
    memory.write_text("{")
    assert choose_numbers(Run(channels_last=True), network, 32, 8, CPU, memory).precision in ("fp32", "bf16")


def test_bf16_runs_the_passes_in_bf16_and_fp32_in_fp32() -> None:
    network = build(NETWORK, 5, 32)
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with Numbers(precision, False).autocast(CPU):
            assert network(torch.zeros(2, 3, 32, 32)).dtype is dtype


def test_a_device_that_is_not_there_is_refused_naming_what_is() -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose("cuda:99")
    assert all(device in caught.value.hint for device in available())
    assert choose("cpu") == CPU
    assert str(choose("auto")) == available()[0]

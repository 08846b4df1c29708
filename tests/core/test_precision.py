"""Choosing number and memory formats, and the device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.device import available, choose
from core.events import Event, Preparing
from core.models import Network, build
from core.precision import Numbers, choose_numbers
from recipes.errors import ConfigurationError
from recipes.recipe import Recipe
from recipes.sections import Model, Precision, Run

CPU = torch.device("cpu")
NETWORK = Model(name="test_resnet", pretrained=False)


def chosen_for(run: Run, network: Network, memory: Path) -> tuple[Numbers, list[Preparing]]:
    """The choice for batches of 8 at 32 px, and what was told meanwhile."""
    told: list[Preparing] = []
    work = choose_numbers(run, network, 32, 8, CPU, memory)
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            return end.value, told


def test_a_recipes_own_choice_is_taken_without_measuring(tmp_path: Path) -> None:
    run = Run(precision=Precision.BF16, channels_last=False)
    assert chosen_for(run, build(NETWORK, 5, 32), tmp_path / "m.json")[0] == Numbers("bf16", False)
    assert not (tmp_path / "m.json").exists()


def test_auto_measures_once_leaves_the_network_as_it_was_and_remembers(tmp_path: Path) -> None:
    network = build(NETWORK, 5, 32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    chosen, told = chosen_for(Run(), network, tmp_path / "m.json")
    torch.manual_seed(3)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    (remembered,) = json.loads((tmp_path / "m.json").read_text()).values()
    assert remembered == {"precision": chosen.precision, "channels_last": chosen.channels_last}
    assert {event.what for event in told} == {"measuring number formats"}
    assert [event.done for event in told] == list(range(told[0].total + 1))
    assert chosen_for(Run(), network, tmp_path / "m.json") == (chosen, [])


def test_what_is_remembered_is_used_and_a_damaged_memory_ignored(tmp_path: Path) -> None:
    memory, network = tmp_path / "m.json", build(NETWORK, 5, 32)
    chosen_for(Run(channels_last=True), network, memory)
    (key,) = json.loads(memory.read_text())
    for kept in ("bf16", "fp32"):
        memory.write_text(json.dumps({key: {"precision": kept, "channels_last": True}}))
        expected = kept if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"
        assert chosen_for(Run(channels_last=True), network, memory)[0].precision == expected
    memory.write_text("{")
    assert chosen_for(Run(channels_last=True), network, memory)[0].precision in ("fp32", "bf16")


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


def test_a_run_tells_that_it_measures(recipe: Callable[..., Recipe], run: Callable[..., list[Event]]) -> None:
    chosen = recipe("run.precision=auto", "run.channels_last=auto", "run.epochs=1")
    told = [event for event in run(chosen) if isinstance(event, Preparing) and event.what == "measuring number formats"]
    assert str(told[-1]) == f"measuring number formats {told[-1].total}/{told[-1].total}"
    assert not [event for event in run(chosen, "again") if isinstance(event, Preparing) and "formats" in event.what]

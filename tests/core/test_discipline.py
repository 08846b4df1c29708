"""Device memory is given back in rhythm, metrics keep no graph, and no damage to a checkpoint goes unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.checkpoint import LAST, load_last, save_last
from core.device import empty_cache
from core.events import Event
from core.metrics import Running, Tally
from core.run import cache_rhythm
from core.step import take_step
from recipes.recipe import Recipe
from recipes.sections import Augment
from tests.core.test_step import batch, learner

Make = Callable[..., Recipe]
Go = Callable[..., list[Event]]
CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")


def test_the_rhythm_is_five_and_three_batches_on_mps_and_never_elsewhere() -> None:
    assert [cache_rhythm("auto", device, on_mps=5) for device in (MPS, CPU, CUDA)] == [5, 0, 0]
    assert cache_rhythm(7, CUDA, on_mps=5) == 7


def test_the_cache_is_emptied_in_the_rhythm_asked_for(recipe: Make, run: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """12 batches an epoch: twice in training; four times in each validation and in the test."""
    calls: dict[str, int] = {"core.epoch": 0, "core.validate": 0}
    asked: list[str] = []
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: calls.__setitem__(asked[-1], calls[asked[-1]] + 1))
    for room in calls:

        def on_mps(_device: torch.device, room: str = room) -> None:
            asked.append(room)
            empty_cache(MPS)

        monkeypatch.setattr(f"{room}.empty_cache", on_mps)
    run(recipe("run.batch_size=4", "memory.empty_cache_every=5", "memory.empty_cache_every_eval=3"))
    assert calls == {"core.epoch": 2 * 2, "core.validate": 3 * 4}


def test_what_a_step_and_a_validation_leave_behind_holds_no_graph() -> None:
    one, (images, labels) = learner(6), batch()
    row = take_step(one, images, labels, Augment(mixup_alpha=1.0), step=0)
    running, tally = Running(CPU), Tally(5, CPU)
    running.add(row)
    scores = one.network(one.network.normalize(images, False)).detach()
    tally.add(torch.zeros(()), scores, labels)
    for value in (row, running.sums, tally.sums, tally.hits):
        assert value.grad_fn is None
        assert not value.requires_grad


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    for step in (1, 2):
        torch.manual_seed(step)
        save_last({"step": step, "weights": {"a": torch.rand(300, 40)}, "history": "[]"}, folder)
    return folder


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10**9), flip=st.integers(1, 255), cut=st.booleans())
def test_a_byte_changed_or_an_end_lost_anywhere_brings_back_the_checkpoint_before(
    saved: Path, place: int, flip: int, cut: bool
) -> None:
    path = saved / LAST
    good = path.read_bytes()
    place %= len(good)
    try:
        path.write_bytes(good[:place] if cut else good[:place] + bytes([good[place] ^ flip]) + good[place + 1 :])
        content, trouble = load_last(saved)
    finally:
        path.write_bytes(good)
    assert content is not None
    assert content["step"] == 1
    assert trouble is not None

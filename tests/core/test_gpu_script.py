"""benchmarks/gpu.py reaches its end on a GPU, which is pretended here: the figures are worth nothing, the words are."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.core.pretended import pretended

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with five classes."""
    spec = importlib.util.spec_from_file_location("gpu_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "CLASSES", 5)
    monkeypatch.setattr(
        sys, "argv", ["gpu.py", "--small", "--images", "120", "--epochs", "2", "--recipes", "two_stage"]
    )
    return module


def test_each_stages_speed_and_memory_resume_and_a_small_device_are_reported(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shares: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, _: shares.append(share))
    with pretended("cuda", monkeypatch):
        assert script.main() == 0
    said = capsys.readouterr().out
    for stage in ("head", "finetune"):
        (line,) = [line for line in said.splitlines() if line.startswith(f"  {stage}:")]
        assert "images/s" in line
        assert line.endswith("peak 1.00 GiB")
    assert "run.deterministic=true: 0 (the same run twice: 0)" in said
    assert "  ended: RunFinished" in said
    assert shares == [0.5, 1.0]


def test_without_a_gpu_the_script_says_that_it_measured_nothing(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert script.main() == 0
    assert capsys.readouterr().out == "no CUDA device here: nothing was measured\n"

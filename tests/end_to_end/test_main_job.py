"""From a recipe to a trained model, through the queue, with real processes."""

import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.end_to_end.conftest import SMALL, Program


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Two classes that a small network tells apart at once: dark and light."""
    for label, base in (("dark", 30), ("light", 200)):
        folder = tmp_path / "shapes" / label
        folder.mkdir(parents=True)
        for index in range(40):
            Image.new("RGB", (36, 36), (base + index, base, base + index // 2)).save(folder / f"{index:02d}.png")
    return tmp_path / "shapes"


def test_a_queued_recipe_becomes_a_trained_model_and_its_files(clf: Program, shapes: Path) -> None:
    clf("enqueue", "demo", "--data", str(shapes), "--epochs", "3", "--batch-size", "8", *SMALL)
    clf("worker", "--drain", "--device", "cpu")
    job = clf.job()
    assert (job["state"], job["epoch"], job["outcome"]) == ("succeeded", 3, "completed")
    assert job["test_accuracy"] is not None
    files = {path.name for path in Path(job["run_dir"]).iterdir()}
    assert files >= {
        "recipe.toml",
        "training.log",
        "history.json",
        "training_curves.png",
        "best_accuracy.pt",
        "best_f1.pt",
        "last_checkpoint.pt",
        "final_model.pt",
        "model_info.json",
        "evaluation",
    }
    assert len(json.loads((Path(job["run_dir"]) / "history.json").read_text())) == 3
    assert "accuracy" in clf("plot", "1")
    assert clf("logs", "1").strip()


def test_run_works_a_job_off_in_the_foreground_and_shows_its_result(clf: Program, shapes: Path) -> None:
    out = clf("run", "demo", "--data", str(shapes), "--epochs", "2", "--batch-size", "8", *SMALL)
    assert "test accuracy" in out
    assert "final_model.pt" in out
    assert "clf tui" in out


def test_a_failed_job_says_why_and_the_queue_goes_on(clf: Program, shapes: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    for label in ("a", "b"):
        (broken / label).mkdir(parents=True)
        for index in range(10):
            (broken / label / f"{index}.jpg").write_bytes(b"this is no image")
    clf("enqueue", "demo", "--data", str(broken), "--epochs", "1", *SMALL)
    clf("enqueue", "demo", "--data", str(shapes), "--epochs", "1", "--batch-size", "8", *SMALL)
    clf("worker", "--drain", "--device", "cpu")
    failed, went_on = clf.job(1), clf.job(2)
    assert (failed["state"], failed["failure_kind"]) == ("failed", "data")
    assert "0.jpg" in failed["failure_message"]
    assert failed["failure_hint"]
    assert went_on["state"] == "succeeded"


def test_a_child_killed_in_an_epoch_is_continued_from_its_checkpoint(clf: Program, shapes: Path) -> None:
    clf("enqueue", "demo", "--data", str(shapes), "--epochs", "40", "--batch-size", "4", *SMALL)
    clf("enqueue", "demo", "--data", str(shapes), "--epochs", "1", "--batch-size", "8", *SMALL)
    worker = clf.start("worker", "--drain", "--device", "cpu")
    job = clf.wait_until(lambda job: job["epoch"] >= 3 and job["phase"] == "train")
    os.kill(job["pid"], signal.SIGKILL)
    worker.communicate(timeout=240)
    job = clf.job()
    assert (job["state"], job["epoch"], job["attempt"]) == ("succeeded", 40, 2)
    history = json.loads((Path(job["run_dir"]) / "history.json").read_text())
    assert [row["epoch"] for row in history] == list(range(1, 41))
    assert clf.job(2)["state"] == "succeeded"
    assert "SIGKILL" in clf("show", "1")


def test_a_second_worker_on_the_same_device_is_refused_with_the_firsts_pid(clf: Program) -> None:
    clf("enqueue", "demo", "--paused")
    first = clf.start("worker", "--device", "cpu")
    pid = first.pid
    clf_status = ""
    while str(pid) not in clf_status:
        clf_status = clf("worker", "status")
    second = clf.start("worker", "--device", "cpu")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1
    assert str(pid) in err
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert first.returncode in (0, 130, 143)


def test_cancel_stops_a_running_job_after_a_checkpoint(clf: Program, shapes: Path) -> None:
    clf("enqueue", "demo", "--data", str(shapes), "--epochs", "500", "--batch-size", "4", *SMALL)
    worker = clf.start("worker", "--drain", "--device", "cpu")
    clf.wait_until(lambda job: job["epoch"] >= 2)
    clf("cancel", "1")
    job = clf.wait_until(lambda job: job["state"] == "cancelled")
    worker.communicate(timeout=60)
    assert (Path(job["run_dir"]) / "last_checkpoint.pt").exists()

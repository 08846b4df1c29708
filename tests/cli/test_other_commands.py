"""Models, previews, charts of a recipe, and the verbs on finished jobs."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from PIL import Image

from db import records
from tests.cli.conftest import Clf
from tui import states
from tui.commands.foreground import progress


def test_models_lists_size_and_input_of_what_matches(clf: Clf) -> None:
    assert "118.5  480/600  published, as tf_efficientnetv2_l" in clf("models", "efficientnetv2_l").out
    lines = clf("models", "convnext_b", "--pretrained").out.splitlines()
    assert lines[0].split() == ["model", "M", "params", "px", "weights"]
    assert any(line.split()[:3] == ["convnext_base", "88.6", "224"] for line in lines)


def test_models_offers_the_closest_when_nothing_matches(clf: Clf) -> None:
    said = clf("models", "restnet50")
    assert said.code == 1
    assert "resnet50" in said.err


def test_preview_writes_a_picture(clf: Clf, photos: Path, tmp_path: Path) -> None:
    said = clf("preview", "quick_test", "--data", str(photos), "--image-size", "32", "--rows", "2", "-o", "sheet.png")
    assert said.code == 0, said.err
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 4 * 32


def test_preview_refuses_a_name_that_is_no_png(clf: Clf, photos: Path) -> None:
    assert clf("preview", "demo", "--data", str(photos), "-o", "sheet.bmp").code == 2


def test_the_learning_rate_of_a_recipe_is_drawn(clf: Clf) -> None:
    drawn = clf("recipes", "show", "two_stage", "--plot").out
    assert "finetune" in drawn
    assert "lr" in drawn


def test_plot_of_a_job_without_readings_says_so(clf: Clf) -> None:
    clf("enqueue", "demo")
    assert "no readings yet" in clf("plot", "1").out
    assert clf("plot", "1", "--metric", "beauty").code == 2
    assert clf("plot", "1", "-o", "curves.png").code == 3


def test_only_a_job_that_succeeded_can_be_extended(clf: Clf) -> None:
    clf("enqueue", "demo")
    said = clf("extend", "1", "--epochs", "20")
    assert said.code == 1
    assert "is queued" in said.err


def test_an_extended_job_is_not_done_before_it_begins(clf: Clf, home: Path) -> None:
    clf("enqueue", "demo", "--epochs", "5")
    database = sqlite3.connect(home / "clf.db")
    database.execute("UPDATE job SET state = 'succeeded', finished_at = 1, epoch = 5, step = 50, steps = 50")
    database.commit()
    database.close()
    assert clf("extend", "1", "--epochs", "10").code == 0
    with closing(records.connect(home / "clf.db")) as connection:
        assert states.progress(records.job(connection, 1)) < 0.5


def test_a_narrow_terminal_keeps_what_matters_most_of_a_run(clf: Clf, home: Path) -> None:
    clf("enqueue", "demo", "--name", "a_name_of_some_length")
    with closing(records.connect(home / "clf.db")) as connection:
        job = records.job(connection, 1)
    running = {"state": "running", "epoch": 3, "step": 20, "steps": 80, "stage": "finetune", "eta_seconds": 5000.0}
    line = progress(replace(job, **running, images_per_second=312.0, train_loss=0.4, best_accuracy=0.9, memory=10**9))
    assert "ETA" in line[:80]
    assert line.index("ETA") < line.index("best") < line.index("img/s")


def test_clean_shows_what_it_would_free_first(clf: Clf, home: Path) -> None:
    clf("enqueue", "demo")
    clf("cancel", "1")
    run_dir = home / "runs" / "0099-lost"
    run_dir.mkdir(parents=True)
    (run_dir / "last_checkpoint.pt").write_bytes(b"x" * 2_000_000)
    os.utime(run_dir, (0, 0))
    asked = clf("clean", "--older-than", "1h")
    assert asked.code == 1
    assert "0099-lost" in asked.out
    assert run_dir.exists()
    assert clf("clean", "--older-than", "1h", "--yes").code == 0
    assert not run_dir.exists()


def test_installing_the_worker_as_a_service_can_be_looked_at_first(clf: Clf) -> None:
    said = clf("worker", "install", "--dry-run")
    assert said.code == 0, said.err
    assert "would write" in said.out
    assert "jobs.launch" in said.out

"""A real database with jobs in every state, their curves, readings and events; times count from a fixed moment."""

from __future__ import annotations

import fcntl
import json
import math
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from db.engine import Database, open_database
from db.models import Dependency, Event, Job, Metric, Sample, State, Worker
from jobs.liveness import boot_id, process_start, worker_lock
from recipes.find import load
from recipes.home import Home

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
GB = 1_000_000_000


def fill(home: Home, *, jobs: int = 9) -> Home:
    """A home whose queue has `jobs` jobs: one running, some waiting, the rest finished."""
    home.create()
    database = open_database(home.database)
    try:
        with database.transaction() as session:
            for job in _jobs(home, jobs):
                session.add(job)
            session.flush()
            session.add(Dependency(job_id=4, parent_id=3))
            session.add_all(_events())
        _curves(database, jobs)
    finally:
        database.close()
    return home


@contextmanager
def holding_worker(home: Home) -> Iterator[None]:
    """This process plays the worker of cuda:0: it holds the lock, and its own pid stands in the record."""
    started = process_start(os.getpid())
    database = open_database(home.database)
    with database.transaction() as session:
        session.add(
            Worker(
                device="cuda:0", device_name="NVIDIA H200", pid=os.getpid(), pid_started=started, boot_id=boot_id(),
                host="h", started_at=NOW - 11_000, heartbeat_at=NOW, device_used=22 * GB, device_total=141 * GB,
                utilization=0.97, temperature=61.0, power=534.0,
            )
        )  # fmt: skip
    database.close()
    with worker_lock(home, "cuda:0").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def job(home: Home, number: int, recipe: str, state: State, **more: Any) -> Job:
    """A row that satisfies every invariant of the schema for its state."""
    found = load(recipe, overrides=more.pop("overrides", {}))
    created = NOW - 90_000 + number * 60
    finished = {State.SUCCEEDED, State.FAILED, State.CANCELLED}
    values: dict[str, Any] = {
        "id": number, "name": recipe, "recipe_name": recipe, "recipe": found.model_dump_json(),
        "data": found.data.source, "model": found.model.name, "state": state, "position": float(number),
        "created_at": created, "clf_version": "0.1.0", "epochs": found.total_epochs,
    }  # fmt: skip
    if state in finished:
        values |= {"started_at": created + 60, "finished_at": created + 6000, "attempt": 1, "device": "cuda:0"}
        values["run_dir"] = str(home.run_dir(number, recipe))
    return Job(**(values | more))


def _jobs(home: Home, count: int) -> list[Job]:
    running = {
        "token": "t", "worker_id": 1, "device": "cuda:0", "attempt": 1, "started_at": NOW - 10_400, "pid": 4242,
        "phase": "train", "stage": "finetune", "epoch": 37, "step": 26_460, "steps": 79_200, "epoch_step": 412,
        "epoch_steps": 720, "train_loss": 0.8123, "lr": 4.1e-4, "images_per_second": 1184.0, "eta_seconds": 20_700.0,
        "progress_at": NOW - 0.2, "memory": 14 * GB, "memory_peak": 17 * GB, "best_accuracy": 0.8471,
        "best_epoch": 36, "best_f1": 0.8442, "run_dir": str(home.run_dir(2, "two_stage")),
    }  # fmt: skip
    done = {"epoch": 50, "step": 1000, "steps": 1000, "best_accuracy": 0.8123, "best_epoch": 47, "best_f1": 0.81,
            "test_accuracy": 0.8051, "test_f1": 0.8, "memory_peak": 9 * GB, "outcome": "completed"}  # fmt: skip
    failed = {"epoch": 3, "step": 300, "steps": 9000, "failure_kind": "out_of_memory", "memory_peak": 139 * GB,
              "failure_message": "the device has no memory left at micro-batch 1 (needed 3.1 GB, 0.4 GB free)",
              "failure_hint": "lower the image size or choose a smaller model"}  # fmt: skip
    flowers = {"data": {"source": "/data/flowers12"}, "run": {"seed": 7}}
    first = [
        job(home, 1, "improved_resnet50", State.SUCCEEDED, **done),
        job(home, 2, "two_stage", State.RUNNING, **running),
        job(home, 3, "single_stage_b3", State.QUEUED),
        job(home, 4, "two_stage", State.QUEUED, name="flowers seed 7", overrides=flowers),
        job(home, 5, "quick_test", State.FAILED, **failed),
        job(
            home,
            6,
            "demo",
            State.SUCCEEDED,
            **(done | {"epoch": 8, "epochs": 8, "best_epoch": 8, "best_accuracy": 0.9812}),
        ),
        job(home, 7, "single_stage_b3", State.PAUSED, epoch=12, step=900, steps=11_250, attempt=1, best_accuracy=0.61),
        job(home, 8, "quick_test", State.CANCELLED, epoch=1, step=4, steps=21),
        job(home, 9, "improved_resnet50", State.SUCCEEDED, **(done | {"best_accuracy": 0.8302, "best_epoch": 44})),
    ]
    names = ("demo", "quick_test", "two_stage", "improved_resnet50")
    states = (State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.QUEUED)
    return first[:count] + [
        job(home, n, names[n % 4], states[n % 3 if n % 7 else 3], best_accuracy=(n % 50) / 50 if n % 7 else None)
        for n in range(10, count + 1)
    ]  # fmt: skip


def _events() -> list[Event]:
    return [
        Event(job_id=2, at=NOW - 10_400, attempt=1, kind="started", message="attempt 1 on cuda:0"),
        Event(job_id=2, at=NOW - 6_000, attempt=1, kind="out_of_memory", message="micro-batch halved to 8"),
        Event(job_id=2, at=NOW - 3_000, attempt=1, kind="recovered", message="the worker was lost; adopted by another"),
        Event(job_id=5, at=NOW - 80_000, attempt=1, kind="failed", message="no memory left at micro-batch 1"),
    ]


def _curves(database: Database, count: int) -> None:
    for number, epochs, seed in ((1, 50, 1), (2, 36, 2), (9, 50, 3), (6, 8, 4)):
        if number <= count:
            with database.transaction() as session:
                session.execute(insert(Metric), metrics(number, epochs, seed))
                session.execute(insert(Sample), _samples(number, epochs))


def metrics(number: int, epochs: int, seed: int, per_epoch: int = 10) -> list[dict[str, Any]]:
    """Curves as a training run leaves them: loss falls, accuracy rises, the gap opens."""
    chance = random.Random(seed)
    rows: list[dict[str, Any]] = []
    steps = 720

    def add(split: str, name: str, step: int, epoch: float, value: float) -> None:
        rows.append(
            {"job_id": number, "split": split, "name": name, "step": step, "epoch": epoch, "attempt": 1,
             "stage": "head" if epoch <= 10 else "finetune", "value": value, "at": NOW - 10_000 + step}
        )  # fmt: skip

    for epoch in range(1, epochs + 1):
        train = 2.3 * math.exp(-epoch / 9) + 0.55 + chance.gauss(0, 0.02)
        val = 2.0 * math.exp(-epoch / 8) + 0.72 + chance.gauss(0, 0.03)
        accuracy = 0.84 + 0.015 * seed - 0.7 * math.exp(-epoch / (12 - 2 * seed)) + chance.gauss(0, 0.006)
        rate = 5e-4 * (epoch / 5 if epoch < 5 else 0.5 * (1 + math.cos(math.pi * (epoch - 5) / 105)))
        gap = 0.005 + 0.002 * epoch + chance.gauss(0, 0.004)
        for split, name, value in (
            ("train", "loss", train), ("val", "loss", val), ("train", "accuracy", accuracy + gap),
            ("val", "accuracy", accuracy), ("val", "f1", accuracy - 0.004), ("run", "lr", rate), ("run", "gap", gap),
            ("run", "images_per_second", 1180 + chance.gauss(0, 15)),
        ):  # fmt: skip
            add(split, name, epoch * steps, float(epoch), value)
        for part in range(1, per_epoch + 1):
            at = epoch - 1 + part / per_epoch
            step = round((epoch - 1) * steps + part * steps / per_epoch)
            add("step", "loss", step, at, train + 0.1 * math.exp(-epoch / 20) + chance.gauss(0, 0.08))
            add("step", "lr", step, at, rate)
    return rows


def _samples(number: int, epochs: int) -> list[dict[str, Any]]:
    chance = random.Random(number)
    return [
        {"job_id": number, "at": NOW - 10_400 + second * 30, "allocated": int((14 + chance.random() * 0.4) * GB),
         "reserved": 16 * GB, "peak": 17 * GB, "device_used": 22 * GB, "device_total": 141 * GB,
         "resident": int((4 + second / 200) * GB), "utilization": 0.93 + chance.random() * 0.06,
         "temperature": 55 + min(8.0, second / 4), "power": 500 + chance.random() * 60}
        for second in range(epochs * 8)
    ]  # fmt: skip


def write_run_directory(directory: Path) -> None:
    """What a finished run leaves: its log."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"2026-09-21 12:{n // 60:02d}:{n % 60:02d} INFO epoch {n} done" for n in range(300)]
    lines[120] = "2026-09-21 12:02:00 WARNING out of memory: micro-batch halved to 8"
    (directory / "training.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (directory / "model_info.json").write_text(json.dumps({"parameters": 10_699_306}), encoding="utf-8")

"""When the ground gives way: no room, no permission, a lost journal, a locked database."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.events import EpochEnded
from db import records
from db.writing import transaction
from jobs.queue import Queue
from jobs.recorder import Recorder
from recipes.errors import DatabaseError, HomeError
from recipes.home import Home
from recipes.recipe import Recipe
from tests.jobs.conftest import (
    ROOT,
    StartWorker,
    doing,
    taken,
    until_state,
    until_step,
)

LOCKED = float(os.environ.get("CLF_LOCK_SECONDS", "2"))  # 30 for the whole claim


def test_a_database_locked_for_a_while_loses_nothing(
    home: Home, queue: Queue, reader: sqlite3.Connection, start_worker: StartWorker
) -> None:
    job_id = queue.enqueue(doing("steps 20 slow"))
    worker = start_worker("child_steps.py", "--drain")
    until_step(reader, job_id, 3)
    holder = sqlite3.connect(home.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(LOCKED)
    assert worker.poll() is None
    holder.execute("ROLLBACK")
    holder.close()
    job = until_state(reader, job_id, "succeeded", "failed")
    assert (job.state, job.attempt, job.step) == ("succeeded", 1, 20)
    assert len(records.series(reader, job_id, "step", "loss").xs) == 20


FILL = """
import resource, signal, sys
from pathlib import Path
from jobs.inbox import Inbox
from recipes.errors import DatabaseError
from recipes.home import Home
from recipes.recipe import Recipe
inbox = Inbox(Home(Path(sys.argv[1])))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    while True:
        print(inbox.enqueue(Recipe.model_validate({"name": "x" * 10_000})), flush=True)
except DatabaseError as error:
    sys.exit(error.message)
"""


def test_a_full_disk_is_a_clear_message_and_loses_nothing(home: Home, recipe: Recipe) -> None:
    """A limit on the size of its files stands in for the disk; the next test has a real one, where it may."""
    words = [sys.executable, "-c", FILL, str(home.root)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be read or written: the disk reports an error" in done.stderr
    acknowledged = [int(word) for word in done.stdout.split()]
    assert acknowledged
    reader = records.connect(home.database)
    assert [job.id for job in records.jobs(reader)] == acknowledged
    assert reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    reader.close()
    assert Queue(home).enqueue(recipe) > acknowledged[-1]


def test_a_read_only_home_is_a_clear_message(home: Home, recipe: Recipe) -> None:
    Queue(home).close()
    home.root.chmod(0o500)
    try:
        if os.access(home.root, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(HomeError, match="cannot write"):
            Queue(home).enqueue(recipe)
        assert records.jobs(records.connect(home.database)) == []
    finally:
        home.root.chmod(0o700)


def test_a_home_below_a_file_is_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="cannot write"):
        Queue(Home(tmp_path / "file" / "home"))


def test_what_was_acknowledged_survives_a_client_killed_without_closing(home: Home) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from jobs.queue import Queue; from recipes.home import Home; from recipes.recipe import Recipe\n"
        f"queue = Queue(Home(Path({str(home.root)!r})))\n"
        "print(queue.enqueue(Recipe.model_validate({'name': 'a'})), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    reader = records.connect(home.database)
    assert [job.id for job in records.jobs(reader)] == [int(done.stdout)]
    reader.close()


def test_a_deleted_wal_costs_at_most_what_it_held(home: Home, recipe: Recipe) -> None:
    queue = Queue(home)
    first = queue.enqueue(recipe)
    queue.close()  # the last one to leave writes the WAL back
    for name in ("clf.db-wal", "clf.db-shm"):
        (home.root / name).unlink(missing_ok=True)
    queue = Queue(home)
    assert queue.enqueue(recipe) > first
    reader = records.connect(home.database)
    assert reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    reader.close()
    queue.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_file_system_without_room_is_a_clear_message_and_loses_nothing(small_disk: Path, recipe: Recipe) -> None:
    queue = Queue(Home(small_disk / "home"))
    acknowledged = [queue.enqueue(recipe)]
    (small_disk / "filler").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 400_000))
    with pytest.raises(DatabaseError, match="cannot grow: the disk is full"):
        acknowledged.extend(queue.enqueue(recipe) for _ in range(1000))
    reader = records.connect(queue.home.database)
    assert sorted(job.id for job in records.jobs(reader)) == acknowledged
    assert reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    (small_disk / "filler").unlink()
    assert queue.enqueue(recipe) > acknowledged[-1]
    queue.pause(acknowledged[0])
    assert records.job(reader, acknowledged[0]).state == "paused"
    reader.close()
    queue.close()


def test_a_file_system_that_became_read_only_is_a_clear_message_and_still_reads(
    small_disk: Path, recipe: Recipe
) -> None:
    """As after an error of the disk; root is refused as well."""
    home = Home(small_disk / "home")
    queue = Queue(home)
    job_id = queue.enqueue(recipe)
    queue.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises((HomeError, DatabaseError), match="cannot"):
        Queue(home)
    with pytest.raises(DatabaseError, match="cannot be"), transaction(home.database):
        pass
    words = [sys.executable, "-P", "-m", "tui.cli", "--home", str(home.root), "status"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f" {job_id}" in done.stdout
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert Queue(home).enqueue(recipe) > job_id


HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("COMMIT")
"""


@contextmanager
def held(database: Path, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """Another process holds the write lock for so long."""
    words = [sys.executable, "-c", HOLD, str(database), str(seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder


def test_a_verb_waits_for_a_process_that_holds_the_database(home: Home, recipe: Recipe) -> None:
    queue = Queue(home)
    first = queue.enqueue(recipe)
    with held(home.database, LOCKED) as holder:
        assert holder.poll() is None
        second = queue.enqueue(recipe)
    with held(home.database, LOCKED):
        queue.pause(first)
    with held(home.database, 3600.0) as holder:
        hasty = Queue(home, busy_seconds=0.2)
        for verb in (lambda: hasty.enqueue(recipe), lambda: hasty.pause(second)):
            with pytest.raises(DatabaseError, match="locked by another process"):
                verb()
        holder.kill()  # a dead process holds nothing
    assert hasty.enqueue(recipe) > second
    reader = records.connect(home.database)
    assert [(job.id, job.state) for job in records.jobs(reader)] == [(2, "queued"), (3, "queued"), (1, "paused")]
    reader.close()
    hasty.close()
    queue.close()


def test_readings_that_found_the_database_locked_are_kept_and_written_later(home: Home, recipe: Recipe) -> None:
    """Longer than a write waits: each try fails, and what it held goes with the next."""
    queue = Queue(home, busy_seconds=0.1)
    job_id = queue.enqueue(recipe)
    recorder = Recorder(queue.database, taken(queue))
    with held(home.database, 3600.0) as holder:
        for step in range(1, 4):
            recorder.record(EpochEnded("train", step, step, {"val/accuracy": step / 10}, ()))
            time.sleep(0.3)
        holder.kill()
    assert recorder.close()
    reader = records.connect(home.database)
    assert records.series(reader, job_id, "val", "accuracy").ys == (0.1, 0.2, 0.3)
    reader.close()
    queue.close()


def test_a_lost_wal_of_a_killed_client_leaves_a_sound_queue(home: Home) -> None:
    """The client dies before its journal was written back; then the journal goes as well."""
    kept = Queue(home)
    first = kept.enqueue(Recipe.model_validate({"name": "kept"}))
    kept.close()
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from db.writing import insert, transaction; from jobs.inbox import Inbox\n"
        "from recipes.home import Home; from recipes.recipe import Recipe\n"
        f"inbox = Inbox(Home(Path({str(home.root)!r})))\n"
        "from db import records; reader = records.connect(inbox.home.database)\n"
        "reader.execute('SELECT 1 FROM job').fetchone()\n"  # somebody reads on, so nothing is written back
        "inbox.enqueue(Recipe.model_validate({'name': 'lost'}))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    wal = home.root / "clf.db-wal"
    assert wal.stat().st_size > 0
    wal.unlink()
    (home.root / "clf.db-shm").unlink(missing_ok=True)
    queue = Queue(home)
    assert queue.enqueue(Recipe.model_validate({"name": "next"})) > first
    reader = records.connect(home.database)
    assert reader.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert "kept" in [job.name for job in records.jobs(reader)]
    reader.close()
    queue.close()

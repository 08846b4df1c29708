"""Workers in the background, and what the system needs to start one."""

from __future__ import annotations

import plistlib
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from db import records
from jobs.launch import restart_worker, start_detached, stop_worker
from jobs.liveness import live_workers
from jobs.service import describe, install
from recipes.errors import HomeError, QueueError
from recipes.home import Home
from tests.jobs.conftest import ROOT, left_over, until


def test_a_detached_worker_survives_its_parent_and_leaves_when_asked(home: Home) -> None:
    code = (
        "from pathlib import Path; from jobs.launch import start_detached; from recipes.home import Home; "
        f"print(start_detached(Home(Path({str(home.root)!r})), device='cpu'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, start_new_session=True
    )
    pid = int(done.stdout)
    try:
        assert [worker.pid for worker in live_workers(home)] == [pid]
        assert psutil.Process(pid).terminal() is None
        with pytest.raises(QueueError, match=f"pid {pid}"):
            start_detached(home, device="cpu")
        (new,) = restart_worker(home)
        assert new != pid
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        assert stop_worker(home) == [new]
        assert live_workers(home) == []
        assert f"worker of cpu, pid {pid}" in (home.workers / "cpu.log").read_text()
    finally:
        for process in left_over(home):
            process.kill()


def test_stopping_where_nothing_runs_is_no_error(home: Home) -> None:
    assert stop_worker(home) == []


def test_a_device_that_is_not_there_is_refused(home: Home) -> None:
    with pytest.raises(QueueError, match="no device cuda:7"):
        start_detached(home, device="cuda:7")
    with pytest.raises(FileNotFoundError):
        (home.workers / "cuda_7.log").read_text()


def test_the_systemd_unit_lets_the_worker_stop_its_own_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    service = describe(Home(tmp_path / "with space%"), device="cuda:1", platform="linux")
    assert service.path == tmp_path / "config/systemd/user/clf-worker-cuda1.service"
    assert "KillMode=process" in service.text
    assert f'"{tmp_path}/with space%%" "cuda:1"' in service.text
    install(service)
    assert service.path.read_text() == service.text
    assert any("enable --now clf-worker-cuda1.service" in command for command in service.commands)


def test_the_launchd_agent_is_a_plist(home: Home) -> None:
    service = describe(home, platform="darwin")
    agent = plistlib.loads(service.text.encode())
    assert agent["ProgramArguments"][-2:] == [str(home.root), "auto"]
    assert agent["AbandonProcessGroup"]


def test_an_unknown_system_is_told_so(home: Home) -> None:
    with pytest.raises(HomeError, match="no service manager"):
        describe(home, platform="win32")


def test_a_drained_detached_worker_ends_by_itself(home: Home) -> None:
    start_detached(home, device="cpu", drain=True)
    until(lambda: not left_over(home))
    reader = records.connect(home.database)
    assert records.workers(reader) == []
    reader.close()

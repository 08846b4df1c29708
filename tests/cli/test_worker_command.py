"""`clf worker` and what stands below it: a real worker in the background, and a test message to a real server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli.conftest import Clf


@pytest.fixture
def detached(clf: Clf, home: Path) -> Iterator[Clf]:
    """A worker in the background on the CPU."""
    del home
    said = clf("worker", "--device", "cpu", "--detach", "--poll", "0.2")
    assert said.code == 0, said.err
    yield clf
    clf("worker", "stop", "--now")


def test_a_worker_is_looked_at_and_stopped(detached: Clf) -> None:
    (found,) = json.loads(detached("worker", "status", "--json").out)
    assert (found["device"], found["job_id"]) == ("cpu", None)
    assert "waits for a job" in detached("worker", "status").out
    again = detached("worker", "--device", "cpu", "--detach")
    assert again.code == 1
    assert f"pid {found['pid']}" in again.err
    slip = detached("worker", "stop", "--device", "cuda:1")
    assert slip.code == 1
    assert "no worker runs on cuda:1" in slip.err
    assert f"worker {found['pid']} has left" in detached("worker", "stop", "--device", "cpu").out
    assert detached("worker", "stop").out == "no worker is running\n"
    assert detached("worker", "status", "--json").out == "[]\n"


def test_options_before_the_word_are_not_passed_over(clf: Clf) -> None:
    """`clf worker --device cuda:1 stop` would have stopped every worker."""
    said = clf("worker", "--device", "cuda:1", "stop")
    assert said.code == 2
    assert "clf worker stop --device cuda:1" in said.err


@pytest.mark.parametrize("device", ["gpu", "cuda:x", ""])
def test_a_device_that_does_not_exist_is_refused(clf: Clf, device: str) -> None:
    for more in ((), ("--detach",)):
        said = clf("worker", "--device", device, "--drain", *more)
        assert said.code in (1, 2)
        assert 1 <= len(said.err.splitlines()) <= 2


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.got.append(body)  # type: ignore[attr-defined]
        self.send_response(200 if "hooks" in self.path else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    listening = HTTPServer(("127.0.0.1", 0), Receiver)
    listening.got = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield listening
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_a_notification_can_be_tried_out(clf: Clf, home: Path, server: HTTPServer, tmp_path: Path) -> None:
    home.mkdir()
    assert clf("worker", "notify-test").code == 2
    address = f"http://127.0.0.1:{server.server_port}"
    command = f"""command = ["sh", "-c", "echo {{name}} {{event}} > {tmp_path}/told"]"""
    (home / "config.toml").write_text(f'[notify]\n{command}\nwebhook = "{address}/hooks/x"\n')
    said = clf("worker", "notify-test")
    assert (said.code, said.out) == (0, "command: sent\nwebhook: sent\n")
    assert (tmp_path / "told").read_text() == "test finished\n"
    assert json.loads(server.got[0])["text"].startswith("clf:")  # type: ignore[attr-defined]
    (home / "config.toml").write_text(f'[notify]\nwebhook = "{address}/gone"\n')
    said = clf("worker", "notify-test")
    assert (said.code, said.out) == (1, "webhook: HTTP Error 404: Not Found\n")

"""Weights that timm knows by their address alone, against a server on this machine that does what servers do."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import timm
import torch

from core import published
from core.events import Preparing
from core.models import build
from core.published import fetch_weights
from recipes.errors import ConfigurationError
from recipes.sections import Model

MODEL = Model(name="test_resnet")
Fetch = Callable[..., list[Preparing]]


class Server(ThreadingHTTPServer):
    """Answers each request for `content` as the next of `answers` says; notes the Range it was asked for."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = content
        self.answers: list[str] = []
        self.asked: list[str | None] = []


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        answer = server.answers.pop(0)
        status = {"missing": 404, "fail": 503}.get(answer)
        content = bytes(len(server.content)) if answer == "wrong" else server.content
        start = int((wanted or "bytes=0-")[6:-1]) if answer != "whole, ranges unknown" else 0
        self.send_response(status or (206 if start else 200))
        self.send_header("Content-Length", str(0 if status else len(content) - start))
        self.end_headers()
        if status is None:
            self._send(answer, content[start:])

    def _send(self, answer: str, content: bytes) -> None:
        if answer in ("cut", "stuck"):
            self.wfile.write(content[: len(content) // 2])
            time.sleep(1.0 if answer == "stuck" else 0.0)
            return
        parts = 20 if answer == "slow" else 1
        step = -(-len(content) // parts)
        for first in range(0, len(content), step):
            self.wfile.write(content[first : first + step])
            time.sleep(0.03 if answer == "slow" else 0.0)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of weights for MODEL, some megabytes of them."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("served") / "weights.pth"
    torch.save({**timm.create_model("test_resnet").state_dict(), "more": torch.zeros(1_000_000)}, path)
    server = Server(path.read_bytes())
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(published, "REST", 0.01)
    monkeypatch.setattr(published, "POLL", 0.01)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture(params=["with a digest", "without"])
def digest(request: pytest.FixtureRequest, served: Server) -> str:
    """What the name of the file says of its content."""
    return f"-{hashlib.sha256(served.content).hexdigest()[:8]}" if request.param == "with a digest" else ""


@pytest.fixture
def fetch(served: Server, digest: str, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """``fetch("cut", "whole")``: fetch MODEL's weights from a server that answers so; what was told."""
    config = timm.get_pretrained_cfg("test_resnet")
    address = f"http://127.0.0.1:{served.server_port}/weights{digest}.pth"
    by_address = dataclasses.replace(config, hf_hub_id=None, url=address)
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda *_, **__: by_address)

    def go(*answers: str) -> list[Preparing]:
        served.answers, served.asked = list(answers), []
        return list(fetch_weights(MODEL))

    return go


def is_whole(served: Server, cache: Path) -> bool:
    """Whether the cache holds just what was published, and a network gets it."""
    (file,) = cache.iterdir()
    assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(served.content).digest()
    (wanted,) = (value for name, value in torch.load(file, weights_only=True).items() if name == "conv1.0.weight")
    return torch.equal(build(MODEL, 5, 32).body.state_dict()["conv1.0.weight"], wanted)


def test_they_are_fetched_once(fetch: Fetch, served: Server, cache: Path) -> None:
    fetch("whole")
    assert is_whole(served, cache)
    assert fetch() == []
    assert served.asked == []


@pytest.mark.parametrize("trouble", ["cut", "stuck"])
def test_a_download_goes_on_where_the_connection_ended(
    trouble: str, fetch: Fetch, served: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "STUCK", 0.3)
    told = fetch(trouble, "fail", "whole")
    assert is_whole(served, cache)
    assert served.asked == ["bytes=0-", *[f"bytes={len(served.content) // 2}-"] * 2]
    assert told[-1].what.endswith("(try 3)")


def test_a_server_that_knows_no_ranges_begins_anew(fetch: Fetch, served: Server, cache: Path) -> None:
    fetch("cut", "whole, ranges unknown")
    assert is_whole(served, cache)


def test_a_slow_download_shows_how_far_it_is(fetch: Fetch, served: Server, cache: Path) -> None:
    done = [each.done for each in fetch("slow")]
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert is_whole(served, cache)


@pytest.mark.parametrize(
    ("answers", "tries", "said"),
    [
        (["cut"] * 3, 3, "the connection broke after"),
        (["missing"], 1, "404"),
        (["fail"] * 3, 3, "503"),
    ],
)
def test_what_never_arrives_is_an_error_with_both_ways_out_and_leaves_nothing(
    answers: list[str], tries: int, said: str, fetch: Fetch, served: Server, cache: Path
) -> None:
    with pytest.raises(ConfigurationError, match="could not be downloaded") as caught:
        fetch(*answers)
    assert said in caught.value.message
    assert "--weights FILE" in caught.value.hint
    assert len(served.asked) == tries
    assert not list(cache.iterdir())


@pytest.mark.parametrize("digest", ["-0123abcd"])
def test_other_bytes_than_were_published_are_never_kept(fetch: Fetch, served: Server, cache: Path, digest: str) -> None:
    with pytest.raises(ConfigurationError, match=f"where {digest[1:]}\\.\\.\\. was published"):
        fetch("whole", "whole", "whole")
    assert served.asked == ["bytes=0-"] * 3  # nothing of it was gone on from
    assert not list(cache.iterdir())


@pytest.mark.parametrize("digest", ["with a digest"], indirect=True)
def test_other_bytes_once_are_fetched_again(fetch: Fetch, served: Server, cache: Path) -> None:
    fetch("wrong", "whole")
    assert is_whole(served, cache)


@pytest.mark.parametrize("digest", ["without"], indirect=True)
def test_what_a_process_that_is_gone_left_of_a_download_is_removed(fetch: Fetch, cache: Path) -> None:
    """Not what a living process, or one on another machine, is writing, and no other program's file."""
    cache.mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = {f"a.pth.{gone.pid}.partial": 600, f"b.pth.{gone.pid}.partial": 0, f"c.pth.{os.getpid()}.partial": 600}
    for name, age in {**left, "d.pth.0123abcd.partial": 600, "e.partial": 600}.items():
        (cache / name).write_bytes(b"half")
        os.utime(cache / name, times=(time.time() - age,) * 2)
    fetch("whole")
    assert {path.name[0] for path in cache.iterdir()} == {"b", "c", "d", "e", "w"}

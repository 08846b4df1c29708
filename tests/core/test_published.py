"""Downloading published weights, against a hub on this machine: progress, broken connections, and none at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

CHUNK = 1_000_000
CUT = 20 * CHUNK  # of 47 MB

# What the hub does with each request for the weights of a model: deliver them, break off after 20 MB, or fail.
ANSWERS = {
    "resnet18.a1_in1k": ["whole"],
    "resnet18.a2_in1k": ["cut", "whole"],
    "resnet18.a3_in1k": ["fail", "fail", "whole"],
    "resnet18.tv_in1k": ["fail", "fail", "fail"],
    "resnet18.gluon_in1k": [],  # it has none
}

PROGRAM = """
import json, os, sys
import core.published
from core.models import build
from recipes.errors import ClfError
from recipes.sections import Model

core.published.REST = 0.01
core.published.POLL = 0.02


def fetch(title, name, loads=False):
    told, error, loaded = [], [], None
    try:
        told = [(event.what, event.done, event.total) for event in core.published.fetch_weights(Model(name=name))]
        if loads:
            loaded = build(Model(name=name), 5, 32).body.state_dict()["conv1.weight"].sum().item()
    except ClfError as failure:
        error = [failure.message, failure.hint]
    print(json.dumps([title, told, error, loaded]), flush=True)


for name in sys.argv[1:]:
    fetch(name, name, loads=name.endswith(("a1_in1k", "a2_in1k")))
os.environ["HF_HUB_OFFLINE"] = "1"
fetch("cached", "resnet18.a1_in1k", loads=True)
fetch("offline", "resnet34.a1_in1k")
del os.environ["HF_HUB_OFFLINE"]
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
fetch("unreachable", "resnet34.a1_in1k")
"""


class Hub(ThreadingHTTPServer):
    """Serves `content` as the weights of every model in ANSWERS, as the hub does; notes what was asked for."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = content
        self.answers = {name: list(answers) for name, answers in ANSWERS.items()}
        self.asked: dict[str, list[str | None]] = {name: [] for name in ANSWERS}  # the Range of each request


class Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._head(200 if ANSWERS.get(self._model) else 404, len(self.server.content))

    def do_GET(self) -> None:
        hub, name, wanted = self.server, self._model, self.headers.get("Range")
        if not ANSWERS.get(name):
            self._head(404, 0)
            return
        hub.asked[name].append(wanted)
        answer = hub.answers[name].pop(0)
        if answer == "fail":
            self._head(500, 0)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self._head(206 if wanted else 200, len(hub.content) - start)
        end = start + CUT if answer == "cut" else len(hub.content)
        for first in range(start, end, CHUNK):
            self.wfile.write(hub.content[first : min(first + CHUNK, end)])
            time.sleep(0.02)

    @property
    def _model(self) -> str:
        return self.path.removeprefix("/timm/").removesuffix("/resolve/main/model.safetensors")

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("ETag", f'"{self._model}"')
        self.send_header("X-Repo-Commit", "c0ffee")
        self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@dataclass
class Seen:
    """What was told, the error and the sum of the loaded first layer for each download; what the hub was asked."""

    told: dict[str, list[tuple[str, int, int]]]
    errors: dict[str, list[str]]
    loaded: dict[str, float]
    asked: dict[str, list[str | None]]
    served: float
    cache: Path


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Everything fetched in a process of its own, since the hub's client reads its settings when it is imported."""
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("hub")
    save_file(timm.create_model("resnet18").state_dict(), folder / "model.safetensors")
    hub = Hub((folder / "model.safetensors").read_bytes())
    Thread(target=hub.serve_forever, daemon=True).start()
    place = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HUB_CACHE": str(folder / "cache")}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *ANSWERS],
        env={**os.environ, **place}, stdout=subprocess.PIPE, text=True, timeout=240, check=True,
    )  # fmt: skip
    hub.shutdown()
    hub.server_close()
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    told, errors, loaded = ({line[0]: line[place] for line in lines} for place in (1, 2, 3))
    served = load_file(folder / "model.safetensors")["conv1.weight"].sum().item()
    return Seen(told, errors, loaded, hub.asked, served, folder / "cache")


def test_weights_arrive_with_progress_and_are_loaded(seen: Seen) -> None:
    told = seen.told["resnet18.a1_in1k"]
    assert {what for what, _, _ in told} == {"downloading the weights of resnet18.a1_in1k, MB"}
    done = [megabytes for _, megabytes, _ in told]
    assert done == sorted(done)
    assert any(0 < megabytes < total for _, megabytes, total in told)
    assert told[-1][1:] == [46, 46]
    assert seen.loaded["resnet18.a1_in1k"] == pytest.approx(seen.served)


def test_they_are_fetched_once_and_then_need_no_network(seen: Seen) -> None:
    assert (seen.told["cached"], seen.errors["cached"]) == ([], [])
    assert seen.loaded["cached"] == pytest.approx(seen.served)
    assert seen.asked["resnet18.a1_in1k"] == [None]


def test_a_broken_connection_is_taken_up_where_it_ended(seen: Seen) -> None:
    first, second = seen.asked["resnet18.a2_in1k"]
    assert first is None
    assert second is not None
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= CUT
    assert seen.loaded["resnet18.a2_in1k"] == pytest.approx(seen.served)
    assert seen.told["resnet18.a2_in1k"][-1][1:] == [46, 46]


def test_a_download_that_fails_is_tried_again_and_that_is_shown(seen: Seen) -> None:
    assert seen.errors["resnet18.a3_in1k"] == []
    assert "(try 3)" in seen.told["resnet18.a3_in1k"][-1][0]


def test_a_server_that_never_delivers_is_an_error_with_both_ways_out_and_leaves_nothing(seen: Seen) -> None:
    message, hint = seen.errors["resnet18.tv_in1k"]
    assert "the weights of 'resnet18.tv_in1k' could not be downloaded: " in message
    assert "--weights FILE" in hint
    assert "model.pretrained=false" in hint
    assert len(seen.asked["resnet18.tv_in1k"]) == 3
    kept = [path for path in seen.cache.rglob("*") if path.is_file() and path.stat().st_size > 1000]
    assert not [path for path in kept if "tv_in1k" in str(path)]


def test_what_the_hub_does_not_have_is_not_asked_for_again(seen: Seen) -> None:
    assert "could not be downloaded" in seen.errors["resnet18.gluon_in1k"][0]
    assert len({what for what, _, _ in seen.told["resnet18.gluon_in1k"]}) <= 1


@pytest.mark.parametrize("trouble", ["offline", "unreachable"])
def test_without_a_network_the_error_comes_at_once_with_both_ways_out(seen: Seen, trouble: str) -> None:
    message, hint = seen.errors[trouble]
    assert "cannot be reached" in message
    assert "--weights FILE" in hint
    assert seen.told[trouble] == []

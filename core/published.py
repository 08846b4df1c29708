"""The published weights of timm's models: from the cache of this machine, or downloaded once, telling how far it is."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psutil
import torch

from core.events import Preparing
from core.names import check_model_name
from recipes.errors import ConfigurationError, DiskFullError
from recipes.sections import Model

BOTH_WAYS_OUT = "give a local file with --weights FILE, or train from scratch with --set model.pretrained=false"
FILES = ("model.safetensors", "pytorch_model.bin")  # what timm looks for on the hub, in this order
TRIES = 3  # of a download that broke; each goes on where the connection before it ended
REST = 2.0  # seconds before another try
STUCK = 60.0  # seconds without a byte after which a connection counts as broken
POLL = 0.5  # seconds between two looks at a growing download


@dataclass
class _Download:
    """A download in a thread of its own: bytes so far, bytes in all (0: not known yet), and what ended it."""

    config: Any
    name: str
    done: int = 0
    total: int = 0
    failure: BaseException | None = None

    def run(self) -> None:
        try:
            (_from_hub if self.config.hf_hub_id else _from_url)(self)
        except Exception as error:
            self.failure = error


def fetch_weights(model: Model) -> Iterator[Preparing]:
    """Bring the published weights a recipe starts from into the cache, where they are not there yet.

    A connection that breaks is taken up again, and the whole download tried three times. Raises ConfigurationError
    when there are no such weights or they cannot be had, DiskFullError when there is no room for them.
    """
    if not model.pretrained or model.weights is not None:
        return
    name = check_model_name(model.name)
    config = _config(name)
    if _cached(config, name) is not None:
        return
    _check_host(config, name)
    for attempt in range(1, TRIES + 1):
        download = _Download(config, name)
        yield from _watched(download, attempt)
        if download.failure is None:
            return
        if attempt == TRIES or not _may_pass(download.failure):
            if not config.hf_hub_id:
                _partial(config).unlink(missing_ok=True)
            raise _explained(download.failure, name) from download.failure
        time.sleep(REST)


def _watched(download: _Download, attempt: int) -> Iterator[Preparing]:
    again = f" (try {attempt})" if attempt > 1 else ""
    what = f"downloading the weights of {download.name}, MB{again}"
    thread = threading.Thread(target=download.run, daemon=True)
    thread.start()
    told = -1
    while thread.is_alive():
        done = download.done // 1_000_000
        if done != told:
            yield Preparing(what, done, max(download.total // 1_000_000, done))
        told = done
        thread.join(POLL)
    if download.failure is None:
        yield Preparing(what, download.done // 1_000_000, download.done // 1_000_000)


def _from_hub(download: _Download) -> None:
    """The first of timm's file names that the repository has; whole, or not there at all."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    repository, revision = _repository(download.config, download.name)
    *names, last = _files(download.config)
    for file in names:
        try:
            hf_hub_download(repository, file, revision=revision, tqdm_class=_counter(download))
        except RemoteEntryNotFoundError:
            continue
        return
    hf_hub_download(repository, last, revision=revision, tqdm_class=_counter(download))


def _counter(download: _Download) -> Any:
    """A progress bar class for the hub's downloader that draws nothing and counts into `download`."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Counter(tqdm):  # type: ignore[misc]
        def __init__(self, *_: Any, total: int | None = None, initial: int = 0, **__: Any) -> None:
            super().__init__(disable=True)
            download.total, download.done = total or 0, initial

        def update(self, n: float | None = 1) -> None:
            download.done += int(n or 0)

    return Counter


def _from_url(download: _Download) -> None:
    """Into torch's cache, whole or not at all: a try goes on where the one before it broke off.

    torch's own downloader takes what arrives before a connection breaks for the whole file, and tells no progress.
    """
    target, partial = _url_cache(download.config), _partial(download.config)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    start = partial.stat().st_size if partial.exists() else 0
    request = Request(str(download.config.url), headers={"User-Agent": "clf", "Range": f"bytes={start}-"})
    with _answer(request) as answer:
        goes_on = answer.status == 206
        download.done = start if goes_on else 0
        download.total = download.done + int(answer.headers.get("Content-Length") or 0)
        with partial.open("ab" if goes_on else "wb") as file:
            while block := answer.read1(1 << 20):
                file.write(block)
                download.done += len(block)
    if download.done < download.total:
        raise ConnectionError(f"the connection broke after {download.done:,} of {download.total:,} bytes")
    _compare(partial, re.search(r"-([a-f0-9]{8,})\.", target.name))
    partial.replace(target)


def _answer(request: Request) -> HTTPResponse:
    try:
        answer: HTTPResponse = urlopen(request, timeout=STUCK)
    except HTTPError as error:
        error.close()
        raise
    return answer


def _compare(path: Path, digest: re.Match[str] | None) -> None:
    """Check a download against the digest in the file's name, where it has one."""
    if digest is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(digest[1]):
        path.unlink()  # nothing of it is worth going on from
        raise OSError(f"its checksum is {found[:12]}... where {digest[1]}... was published")


def _may_pass(failure: BaseException) -> bool:
    """Whether another try may help: not for a full disk, nor for what the server does not have or refuses.

    Where the hub does not answer at all its client has tried for a minute already, and says that no entry was found.
    """
    from huggingface_hub.errors import EntryNotFoundError

    if isinstance(failure, EntryNotFoundError):
        return False
    status = getattr(getattr(failure, "response", None), "status_code", getattr(failure, "code", None))
    refused = isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)
    return not refused and getattr(failure, "errno", None) != errno.ENOSPC


def _explained(failure: BaseException, name: str) -> ConfigurationError | DiskFullError:
    if getattr(failure, "errno", None) == errno.ENOSPC:
        return DiskFullError(f"no room for the weights of '{name}'", "make room, or set HF_HOME to a larger disk")
    reason = (str(failure).strip() or type(failure).__name__).splitlines()[0]
    return ConfigurationError(f"the weights of '{name}' could not be downloaded: {reason[:200]}", BOTH_WAYS_OUT)


def published_weights(name: str) -> dict[str, Any]:
    """Arguments for ``timm.create_model`` that load the published weights of `name`, from the cache when there.

    Raises ConfigurationError at once when there are none, or when they are not cached and the hub cannot be reached.
    """
    config = _config(name)
    if cached := _cached(config, name):
        return {"pretrained": True, "pretrained_cfg_overlay": {"file": str(cached)}}
    _check_host(config, name)
    return {"pretrained": True}


def _config(name: str) -> Any:
    import timm

    config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    if config is None or not (config.hf_hub_id or config.url or config.file):
        raise ConfigurationError(f"there are no published weights for '{name}'", BOTH_WAYS_OUT)
    return config


def _repository(config: Any, name: str) -> tuple[str, str | None]:
    """The hub's repository and revision; an id that ends in a slash is completed with the architecture and its tag."""
    repository, _, revision = str(config.hf_hub_id).partition("@")
    if repository.endswith("/"):
        tag = f".{config.tag}" if config.tag else ""
        repository = f"{repository}{name.partition('.')[0]}{tag}"
    return repository, revision or None


def _files(config: Any) -> tuple[str, ...]:
    return (str(config.hf_hub_filename),) if config.hf_hub_filename else FILES


def _url_cache(config: Any) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / str(config.url).rpartition("/")[2]


def _partial(config: Any) -> Path:
    """Where this process gathers a download."""
    target = _url_cache(config)
    return target.with_name(f"{target.name}.{os.getpid()}.partial")


def _sweep(folder: Path) -> None:
    """Remove downloads whose process is gone. Another machine may share the folder, so they must lie still, too."""
    for left in folder.glob("*.partial"):
        process = left.suffixes[-2:][0].removeprefix(".")
        with suppress(OSError):
            still = time.time() - left.stat().st_mtime > 2 * STUCK
            if still and process.isdigit() and not psutil.pid_exists(int(process)):
                left.unlink()


def _cached(config: Any, name: str) -> Path | None:
    if config.hf_hub_id:
        from huggingface_hub import try_to_load_from_cache

        repository, revision = _repository(config, name)
        for file in _files(config):
            found = try_to_load_from_cache(repository, file, revision=revision)
            if isinstance(found, str):
                return Path(found)
    if config.url:
        path = _url_cache(config)
        return path if path.is_file() else None
    return None


def _check_host(config: Any, name: str) -> None:
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co" if config.hf_hub_id else str(config.url)
    if not _reachable(address):
        host = urlsplit(address).netloc
        raise ConfigurationError(f"no weights for '{name}': {host} cannot be reached", BOTH_WAYS_OUT)


def _reachable(address: str) -> bool:
    """Whether the host of a URL answers; a proxy is trusted, since a direct connection says nothing about it."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return False
    if any(os.environ.get(name) for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")):
        return True
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname, parts.port or 443), timeout=5.0):
            return True
    except OSError:
        return False

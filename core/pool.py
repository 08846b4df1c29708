"""The loader's worker processes: how they start, what they ignore, and how their end is noticed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from core.reader import Failed, Reader
from core.sampler import Key
from recipes.errors import FailureKind, JobError

PREFETCH = 2  # batches ready per worker
GRACE = 1.0  # seconds in which a death is noticed after the pipe broke


class LoaderError(JobError):
    """A loader process ended without being asked to; most often the machine ran out of memory."""

    kind = FailureKind.KILLED


class _Seats(Sampler[list[Key]]):
    """A batch sampler whose batches are exchanged before every epoch, so that the workers can stay."""

    def __init__(self) -> None:
        self.batches: Sequence[list[Key]] = ()

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class Pool:
    """`workers` processes that read batches ahead, in order; 0 reads in this process."""

    def __init__(self, reader: Reader, workers: int, pin: bool) -> None:
        self._reader = reader
        self._pin = pin
        self._seats = _Seats()
        self._loader: DataLoader[Any] | None = None
        if workers == 0:
            cv2.setNumThreads(0)  # its threads would take the cores from the network's
            return
        warm_up()
        self._loader = self._start(workers)
        self._end = weakref.finalize(self, _stop, self._loader)

    def _start(self, workers: int) -> DataLoader[Any]:
        with _any_number():
            return DataLoader(
                self._reader,  # type: ignore[arg-type]
                batch_sampler=self._seats,
                num_workers=workers,
                collate_fn=_as_it_is,
                pin_memory=self._pin,
                worker_init_fn=_begin,
                multiprocessing_context=_context(),
                generator=torch.Generator(),  # its own, or every epoch would draw from the global stream
                prefetch_factor=PREFETCH,
                persistent_workers=True,
            )

    def read(self, orders: Sequence[list[Key]]) -> Iterator[Tensor | Failed]:
        """One tensor (N, size, size, 3) uint8 per batch of `orders`, in their order; raises LoaderError."""
        if self._loader is None:
            for keys in orders:
                images = self._reader.__getitems__(keys)
                yield images.pin_memory() if self._pin and isinstance(images, Tensor) else images
            return
        self._seats.batches = orders
        try:
            with _any_number(), _without_main():
                batches = iter(self._loader)
            yield from batches
        except (RuntimeError, OSError, EOFError) as error:  # a dead worker shows as any of these
            if reason := _death(_processes(self._loader)):
                raise LoaderError(f"a loader process {reason}", _way_out(reason)) from error
            raise

    def close(self) -> None:
        """End the processes; those that do not leave by themselves are killed."""
        if self._loader is not None:
            self._end()
            self._loader = None


def _as_it_is(batch: Any) -> Any:
    return batch


def warm_up() -> None:
    """Start the fork server, which imports torch and albumentations for all workers (2.5 s on 2 cores); returns at
    once. Called early, the import runs beside the preparation of the run."""
    if sys.platform == "linux":
        from multiprocessing import forkserver

        _context().set_forkserver_preload(["core.reader", "core.augment"])
        forkserver.ensure_running()


def _context() -> Any:
    """forkserver where it is safe: a worker starts in 0.1 s instead of 3 and owns 25 MB instead of 330, and no lock
    or CUDA context of this process is copied. macOS's frameworks do not survive a fork."""
    return multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")


@contextlib.contextmanager
def _any_number() -> Iterator[None]:
    """More workers than cores is the person's choice, and no warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        yield


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Workers would import this process's main module, which they do not need: half a second each for a job, and
    an endless loop for a script that trains at its top level."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin(_: int) -> None:
    """First thing in a worker: no threads of its own, deaf to the terminal's signals, gone with its parent."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    for name in ("SIGINT", "SIGHUP", "SIGTERM"):  # the training process decides when to leave, after a checkpoint
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _processes(loader: DataLoader[Any]) -> list[BaseProcess]:
    return list(getattr(getattr(loader, "_iterator", None), "_workers", ()))


def _death(processes: list[BaseProcess]) -> str:
    """How one of the processes ended: ``1234 was killed by signal 9``; empty when all live."""
    wait([process.sentinel for process in processes], timeout=GRACE)
    for process in processes:
        code = process.exitcode
        if code is not None:
            return (
                f"{process.pid} was killed by signal {-code}" if code < 0 else f"{process.pid} ended with code {code}"
            )
    return ""


def _way_out(reason: str) -> str:
    if "signal 7" in reason:  # SIGBUS: a batch did not fit into /dev/shm, of which a container has 64 MB by default
        return "shared memory is full: start the container with a larger --shm-size, or try --set data.workers=0"
    return "the machine may be out of memory: try --set data.workers=1, or a smaller batch or image size"


def _stop(loader: DataLoader[Any]) -> None:
    """Ask the processes to leave, and kill those that do not within torch's own patience of 5 s."""
    processes = _processes(loader)
    if not processes:
        return
    with contextlib.suppress(RuntimeError, OSError):
        loader._iterator._shutdown_workers()  # type: ignore[union-attr]
    for process in processes:
        if process.is_alive():
            process.kill()
            process.join()
    loader._iterator = None

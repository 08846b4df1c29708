"""The same batches whatever the number of workers and wherever one starts; no worker is left behind or waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch

from core.decode import decode
from core.fit import fit
from core.loader import Batch, Loader, auto_workers
from core.manifest import Manifest
from core.pool import LoaderError
from recipes.errors import DataError, FailureKind
from recipes.sections import Resize
from tests.core_data.conftest import manifest_of, plan_of, write_folder

HARD = {"level": "ultra_strong", "randaugment": {"p": 0.5}, "random_erasing": 0.5}

Contents = list[tuple[bytes, list[int], list[int]]]


@pytest.fixture
def open_loader(pictures: Path) -> Iterator[Callable[..., Loader]]:
    loaders: list[Loader] = []

    def opened(
        workers: int = 0,
        *,
        split: str = "train",
        train: bool = True,
        batch_size: int = 5,
        seed: int = 0,
        stage_index: int = 0,
        root: Path = pictures,
        manifest: Manifest | None = None,
        **fields: object,
    ) -> Loader:
        fields.setdefault("augment", HARD)
        loaders.append(
            Loader(
                manifest or manifest_of(root),
                split,
                plan_of(root, **fields),
                seed=seed,
                train=train,
                batch_size=batch_size,
                workers=workers,
                stage_index=stage_index,
            )
        )
        return loaders[-1]

    yield opened
    for loader in loaders:
        loader.close()


def contents(batches: Iterator[Batch]) -> Contents:
    return [
        (batch.images.permute(0, 2, 3, 1).contiguous().numpy().tobytes(), batch.labels.tolist(), batch.indices.tolist())
        for batch in batches
    ]


def test_any_number_of_workers_gives_the_same_bytes_from_any_start(open_loader: Callable[..., Loader]) -> None:
    whole = {epoch: contents(open_loader(0).epoch(epoch)) for epoch in (1, 2)}
    assert whole[1] != whole[2]
    for workers in (0, 1, 2):
        loader = open_loader(workers)
        assert len(loader) == len(whole[1]) == 5
        for epoch, start in ((2, 0), (1, 0), *((1, start) for start in range(1, 6)), (2, 3)):
            assert contents(loader.epoch(epoch, start)) == whole[epoch][start:], (workers, epoch, start)


def test_an_epoch_that_was_left_halfway_changes_nothing_in_the_next(open_loader: Callable[..., Loader]) -> None:
    expected = contents(open_loader(0).epoch(2))
    loader = open_loader(2)
    for _ in range(2):
        halfway = loader.epoch(1)
        next(halfway)
        halfway.close()
        assert contents(loader.epoch(2)) == expected


def test_a_batch_is_channels_last_uint8_with_the_labels_of_its_images(
    open_loader: Callable[..., Loader], pictures: Path
) -> None:
    manifest = manifest_of(pictures)
    for workers in (0, 1):
        for batch in open_loader(workers).epoch(1):
            assert (batch.images.dtype, batch.labels.dtype, batch.indices.dtype) == (torch.uint8, *[torch.int64] * 2)
            assert batch.images.shape[1:] == (3, 32, 32)
            assert batch.images.is_contiguous(memory_format=torch.channels_last)
            assert batch.labels.tolist() == [manifest.labels[index] for index in batch.indices.tolist()]


def test_training_sees_every_image_once_per_epoch_in_another_order(open_loader: Callable[..., Loader]) -> None:
    loader = open_loader(0, augment={"level": "none"})
    orders = [[index for batch in loader.epoch(epoch) for index in batch.indices.tolist()] for epoch in (1, 2)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert len(set(orders[0])) == len(orders[0]) == 25
    assert orders[0] != orders[1]


def test_seed_and_stage_change_the_order(open_loader: Callable[..., Loader]) -> None:
    orders = {
        tuple(index for batch in open_loader(0, **fields).epoch(1) for index in batch.indices.tolist())
        for fields in ({}, {"seed": 1}, {"stage_index": 1})
    }
    assert len(orders) == 3


def test_evaluation_is_in_order_unchanged_and_the_same_in_every_epoch(
    open_loader: Callable[..., Loader], pictures: Path
) -> None:
    manifest = manifest_of(pictures)
    loader = open_loader(0, split="test", train=False, batch_size=2)
    assert contents(loader.epoch(1)) == contents(loader.epoch(7))
    batches = list(loader.epoch(1))
    assert [index for batch in batches for index in batch.indices.tolist()] == manifest.indices("test")
    first = manifest.indices("test")[0]
    expected = fit(decode(manifest.root / manifest.paths[first], 32), 32, Resize.CROP)
    assert (batches[0].images[0].permute(1, 2, 0).numpy() == expected).all()


def test_large_photographs_are_decoded_no_larger_than_needed(
    open_loader: Callable[..., Loader], tmp_path: Path
) -> None:
    root = write_folder(tmp_path, {"a": 4, "b": 4}, ".jpg", (400, 300))
    (batch, *_) = open_loader(0, root=root, split="val", train=False, batch_size=1).epoch(1)
    path = root / manifest_of(root).paths[batch.indices.item()]
    assert decode(path, 32).shape == (75, 100, 3)
    assert (batch.images[0].permute(1, 2, 0).numpy() == fit(decode(path, 32), 32, Resize.CROP)).all()


def test_many_epochs_leave_no_file_open_and_no_thread_behind(open_loader: Callable[..., Loader]) -> None:
    loader, process = open_loader(1, batch_size=12), psutil.Process()
    list(loader.epoch(1))
    files, threads = process.num_fds(), process.num_threads()
    for epoch in range(2, 60):
        for _ in loader.epoch(epoch):
            pass
    assert process.num_fds() < files + 5  # a batch on its way holds one
    assert process.num_threads() <= threads + 1


@pytest.mark.parametrize(
    ("batch_size", "train", "batches"), [(24, True, 1), (24, False, 2), (23, True, 2), (1, True, 25)]
)
def test_only_a_lone_last_training_image_is_left_out(
    open_loader: Callable[..., Loader], batch_size: int, train: bool, batches: int
) -> None:
    loader = open_loader(0, batch_size=batch_size, train=train, augment={"level": "none"})
    assert len(loader) == len(list(loader.epoch(1))) == batches


def test_the_sampler_draws_every_class_equally_often_and_repeats_differ(
    open_loader: Callable[..., Loader], tmp_path: Path
) -> None:
    root = write_folder(tmp_path, {"many": 60, "few": 6})
    loader = open_loader(0, root=root, balance="sampler", batch_size=16, augment={"level": "medium"})
    drawn = [batch for epoch in range(1, 21) for batch in loader.epoch(epoch)]
    labels = torch.cat([batch.labels for batch in drawn]).float()
    assert abs(labels.mean().item() - 0.5) < 0.06
    first = drawn[: len(loader)]
    images: dict[int, set[bytes]] = {}
    counts: dict[int, int] = {}
    for batch in first:
        for index, image in zip(batch.indices.tolist(), batch.images, strict=True):
            images.setdefault(index, set()).add(image.contiguous().numpy().tobytes())
            counts[index] = counts.get(index, 0) + 1
    assert max(counts.values()) > 1
    assert all(len(images[index]) == counts[index] for index in counts)
    assert contents(loader.epoch(3, 1)) == contents(loader.epoch(3))[1:]


def test_loading_takes_nothing_from_the_global_stream(open_loader: Callable[..., Loader]) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    for workers in (0, 1):
        list(open_loader(workers).epoch(1))
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_vanishes_is_an_error_in_one_line_that_names_it(
    open_loader: Callable[..., Loader], tmp_path: Path, workers: int
) -> None:
    root = write_folder(tmp_path, {"a": 6, "b": 6})
    manifest = manifest_of(root)
    (root / manifest.paths[manifest.indices("train")[0]]).unlink()
    loader = open_loader(workers, root=root, manifest=manifest)
    with pytest.raises(DataError) as caught:
        list(loader.epoch(1))
    assert manifest.paths[manifest.indices("train")[0]] in caught.value.message
    assert "\n" not in caught.value.message


def workers_below(process: psutil.Process) -> list[psutil.Process]:
    """The loader processes: below the fork server on Linux, spawned elsewhere."""
    below = process.children(recursive=True)
    return [child for child in below if child.is_running() and not child.children() and is_worker(child)]


def is_worker(process: psutil.Process) -> bool:
    try:
        command = " ".join(process.cmdline())
        return "forkserver" in command or "spawn_main" in command
    except psutil.Error:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def test_a_worker_that_is_killed_is_an_error_and_not_a_hang(open_loader: Callable[..., Loader]) -> None:
    loader = open_loader(1, batch_size=2)
    batches = loader.epoch(1)
    next(batches)
    (worker,) = workers_below(psutil.Process())
    worker.kill()
    with pytest.raises(LoaderError) as caught:
        list(batches)
    assert caught.value.kind is FailureKind.KILLED
    assert f"loader process {worker.pid} was killed by signal 9" in caught.value.message
    assert "workers" in caught.value.hint
    assert "\n" not in caught.value.message


def test_workers_ignore_the_signals_that_ask_the_trainer_to_leave(open_loader: Callable[..., Loader]) -> None:
    loader = open_loader(1)
    expected = contents(loader.epoch(1))
    (worker,) = workers_below(psutil.Process())
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        worker.send_signal(getattr(signal, name))
    assert contents(loader.epoch(1)) == expected
    assert worker.is_running()


def test_closing_ends_the_workers(open_loader: Callable[..., Loader]) -> None:
    loader = open_loader(2)
    list(loader.epoch(1))
    workers = workers_below(psutil.Process())
    assert len(workers) == 2
    loader.close()
    loader.close()
    assert wait_for(lambda: not any(worker.is_running() for worker in workers))


def test_workers_leave_when_their_trainer_is_killed(pictures: Path, tmp_path: Path) -> None:
    program = tmp_path / "trainer.py"
    program.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.core_data.conftest import manifest_of, plan_of\n"
        "from core.loader import Loader\n"
        f"root = Path({str(pictures)!r})\n"  # at the top level: workers must not run the script again
        "loader = Loader(manifest_of(root), 'train', plan_of(root), seed=0, train=True, batch_size=4, workers=2)\n"
        "list(loader.epoch(1))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    trainer = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, env=environment, cwd=root)
    assert trainer.stdout is not None
    with trainer.stdout:
        assert trainer.stdout.readline() == b"ready\n"
    left = psutil.Process(trainer.pid).children(recursive=True)
    assert len([process for process in left if is_worker(process)]) >= 2
    trainer.kill()
    trainer.wait()
    assert wait_for(lambda: not any(process.is_running() for process in left))


def test_auto_takes_no_process_for_a_handful_of_tiny_images_and_never_more_than_the_cores() -> None:
    assert auto_workers(1797, 32, "cpu") == 0
    assert 1 <= auto_workers(100_000, 224, "cuda") <= (os.cpu_count() or 1)

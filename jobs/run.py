"""The child: trains one attempt of one job, records it, says how it ended, and leaves.

``python -P -m jobs.run --home DIR --job ID --token TOKEN``; everything it prints goes to training.log.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from filelock import FileLock, Timeout

from core.events import CheckpointSaved, EpochEnded, Event, Outcome, Preparing, RunFinished, RunStarted, Warned
from db.engine import Database, open_database
from jobs.claims import Held, finish, held, started
from jobs.ending import EXIT_CODES, NO_ROOM_CODE, End, Ending, write_ending
from jobs.failures import of_error
from jobs.ledger import get_job
from jobs.liveness import CHILD_LOCK, process_start
from jobs.parent import init_from
from jobs.recorder import Recorder
from jobs.recovery import has_living_worker
from jobs.spared import spared
from jobs.stopping import Stop, kill_own_group
from recipes.errors import ClfError, DatabaseError, JobError
from recipes.home import Home
from recipes.recipe import Recipe

LOCK_SECONDS = 30.0  # an attempt that is just leaving may still hold the directory or the device
STALE_CODE = 76
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
Training = Callable[[Home, Held, Recipe, Stop], Iterator[Event]]


def main(arguments: list[str] | None = None, *, events: Training | None = None) -> int:
    """Train the attempt named on the command line; the exit code says how it ended (EXIT_CODES).

    `events` may stand in for the training itself; everything around it stays.
    """
    parser = argparse.ArgumentParser(prog="jobs.run")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--job", type=int, required=True)
    parser.add_argument("--token", required=True)
    options = parser.parse_args(arguments)
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)  # the worker asks for the stacks of a stalled run
    home = Home(options.home)
    database = open_database(home.database)
    with database.transaction() as session:
        job = get_job(session, options.job)
        session.expunge(job)
    if job.token != options.token:
        return STALE_CODE
    recipe = Recipe.model_validate_json(job.recipe)
    return run_attempt(home, database, held(job), recipe, events or training_events)


def run_attempt(home: Home, database: Database, attempt: Held, recipe: Recipe, events: Training) -> int:
    """Hold the run directory and the device, train, and leave an ending behind."""

    def at_once(why: str) -> None:
        write_ending(attempt.run_dir, attempt.token, Ending(End.STOPPED, message=why))
        kill_own_group()

    stop = Stop(at_once)
    stop.listen()
    try:
        with exclusive(attempt.run_dir / CHILD_LOCK), exclusive(device_lock(home, attempt.device)):
            if not started(database, attempt, os.getpid(), process_start(os.getpid()) or 0.0):
                return STALE_CODE
            stop.watch(home.database, attempt.job_id, attempt.token)
            ending = _train(database, attempt, lambda: events(home, attempt, recipe, stop), stop)
            if stop.stale.is_set():
                return STALE_CODE
            said = _said(attempt, ending)
            _finish_if_alone(home, database, attempt, ending)
    except Timeout as error:
        say(f"another process holds {error.lock_file}")
        return STALE_CODE
    return EXIT_CODES[ending.end] if said else NO_ROOM_CODE


def _said(attempt: Held, ending: Ending) -> bool:
    """Leave the ending behind; False where the disk has no room even for that."""
    try:
        write_ending(attempt.run_dir, attempt.token, ending)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return False
    return True


def _train(database: Database, attempt: Held, events: Callable[[], Iterator[Event]], stop: Stop) -> Ending:
    """Train to the end of the attempt, whatever that is."""
    recorder = Recorder(database, attempt)
    stop.stale = recorder.stale
    try:
        return _follow(events(), recorder, stop)
    except Exception as error:
        with suppress(OSError):  # the log may be on a full disk
            traceback.print_exc()
        if isinstance(error, ClfError):
            say(f"error: {error.message}" + (f" ({error.hint})" if error.hint else ""))
        return of_error(error)
    finally:
        if not recorder.close():
            say("the last readings could not be written to the database")


def training_events(home: Home, attempt: Held, recipe: Recipe, stop: Stop) -> Iterator[Event]:
    """The events of core.train, on the device the worker gives."""
    yield Preparing("loading torch", 0, 0)
    from core.train import train

    database = open_database(home.database)
    with database.transaction() as session:
        halve = spared(session, attempt.job_id)
    database.close()
    run = recipe.run.model_copy(update={"device": attempt.device})
    yield from train(
        recipe.model_copy(update={"run": run}),
        attempt.run_dir,
        datasets=home.datasets,
        stop=stop,
        init_from=init_from(home, recipe),
        halve=halve,
    )


def _follow(events: Iterator[Event], recorder: Recorder, stop: Stop) -> Ending:
    """Record every event; the ending is in the last one."""
    for event in events:
        recorder.record(event)
        _log(event)
        stop.begun = stop.begun or isinstance(event, RunStarted)
        if isinstance(event, RunFinished):
            if event.outcome == Outcome.STOPPED:
                return Ending(End.STOPPED, message=_why(stop))
            return Ending(End.SUCCEEDED, outcome=event.outcome)
        if isinstance(event, Preparing) and stop():  # nothing to keep yet
            return Ending(End.STOPPED, message=_why(stop))
    raise JobError("the run ended without saying how", "this is a fault in clf")


def _why(stop: Stop) -> str:
    return f"left after a checkpoint, on {stop.by_signal or 'request'}"


def device_lock(home: Home, device: str) -> Path:
    """Held by the child that trains on `device`: two attempts never share it."""
    return home.workers / f"{device.replace(':', '_')}.child.lock"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; raises filelock.Timeout."""
    lock = FileLock(path)
    lock.acquire(timeout=LOCK_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _finish_if_alone(home: Home, database: Database, attempt: Held, ending: Ending) -> None:
    """Record the end here when no worker lives to do it; else the worker does, once this process is gone."""
    try:
        if not has_living_worker(database, home, attempt.job_id):
            finish(database, attempt, ending)
    except DatabaseError as error:
        say(f"{error.message}; the next worker will record the end")


def say(text: str) -> None:
    """One line in the log, with the time; a line that finds the disk full is lost, the run is not."""
    with suppress(OSError):
        sys.stdout.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
        sys.stdout.flush()


def _log(event: Event) -> None:
    match event:
        case Preparing() if event.done in (0, event.total):  # what begins and what is done
            say(str(event))
        case RunStarted():
            say(
                f"{event.model}, {event.parameters:,} parameters, on {event.device_name} ({event.device}) with "
                f"{event.precision}; {len(event.classes)} classes, {event.images}; {event.epochs} epochs"
            )
        case EpochEnded():
            shown = "  ".join(f"{name} {value:.4g}" for name, value in event.metrics.items())
            say(f"epoch {event.epoch} ({event.stage}): {shown}")
        case CheckpointSaved() if event.kind != "last":
            say(f"{event.path.name}: epoch {event.epoch}")
        case Warned():
            say(f"warning ({event.kind}): {event.message}")
        case RunFinished():
            shown = "  ".join(f"{name} {value:.4g}" for name, value in event.metrics.items())
            say(f"{event.outcome} at epoch {event.epoch}, step {event.step}  {shown}".rstrip())


def leave(code: int) -> NoReturn:
    """End the process once all is said: taking a loaded torch apart object by object would cost 1.5 s of processor."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())

"""What can be done to jobs, the same keys on every screen that shows one; the rules live in `jobs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType

from db.job_states import FINISHED
from db.records import JobRecord
from tui.screens.ask import AskScreen
from tui.screens.choose import ChooseScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.live import LiveScreen

if TYPE_CHECKING:
    from jobs.queue import Queue


class JobActions(LiveScreen):
    """Keys that act on `targets()`: the marked jobs, or the one that is shown."""

    TITLE_OF_KEYS = "Jobs"
    CHANGES = frozenset(
        {"add", "cancel", "pause", "pause_queue", "retry", "edit", "duplicate", "order", "priority", "remove"}
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add", id="job.add", tooltip="Add a recipe to the queue"),
        Binding("x", "cancel", "Cancel", id="job.cancel", tooltip="Cancel; a running job checkpoints first"),
        Binding("p", "pause", "Pause", id="job.pause", tooltip="Pause a job, or let it go on"),
        Binding("P", "pause_queue", "Pause queue", show=False, id="queue.pause", tooltip="Pause or resume the queue"),
        Binding("r", "retry", "Retry", show=False, id="job.retry", tooltip="Queue a failed or cancelled job again"),
        Binding("e", "edit", "Edit", show=False, id="job.edit", tooltip="Edit a waiting job's recipe"),
        Binding("d", "duplicate", "Duplicate", show=False, id="job.duplicate", tooltip="Add a job like this one"),
        Binding("K", "order(-1)", "Earlier", show=False, id="job.earlier", tooltip="Move a waiting job up"),
        Binding("J", "order(1)", "Later", show=False, id="job.later", tooltip="Move a waiting job down"),
        Binding("greater_than_sign", "priority(1)", "More urgent", key_display=">", show=False, id="job.more_urgent"),
        Binding("less_than_sign", "priority(-1)", "Less urgent", key_display="<", show=False, id="job.less_urgent"),
        Binding("D", "remove", "Delete", show=False, id="job.remove", tooltip="Delete finished jobs and their files"),
        Binding("y", "copy", "Copy", show=False, id="job.copy", tooltip="Copy the id, the run directory or a metric"),
    ]  # fmt: skip

    def targets(self) -> list[JobRecord]:
        """The jobs an action is about."""
        return []

    def _each(self, verb: Callable[[Queue, JobRecord], Any], said: str, jobs: list[JobRecord] | None = None) -> None:
        chosen = self.targets() if jobs is None else jobs
        for job in chosen:
            self.clf.act(lambda queue, job=job: verb(queue, job), f"#{job.id} {said}")  # type: ignore[misc]
        if not chosen:
            self.notify("no job is chosen", severity="warning")

    def action_add(self) -> None:
        from tui.screens.add import AddScreen

        self.app.push_screen(AddScreen())

    def action_edit(self) -> None:
        from tui.screens.add import AddScreen

        for job in self.targets()[:1]:
            if job.state not in ("queued", "paused"):
                self.notify(
                    f"only a waiting job can be edited; {self.key_of('job.duplicate')} adds one like it",
                    severity="warning",
                )
                return
            self.app.push_screen(AddScreen(job, edit=True))

    def action_duplicate(self) -> None:
        from tui.screens.add import AddScreen

        for job in self.targets()[:1]:
            self.app.push_screen(AddScreen(job))

    def action_cancel(self) -> None:
        jobs = [job for job in self.targets() if job.state not in FINISHED]
        if not jobs:
            self.notify("there is nothing to cancel: it has ended", severity="warning")
            return
        running = any(job.state == "running" for job in jobs)
        answers = {"y": "cancel"} | ({"k": "kill now, without a checkpoint"} if running else {})
        explanation = "A running job writes a last checkpoint first." if running else "It will not run."

        def answered(key: str | None) -> None:
            if key:
                self._each(lambda queue, job: queue.cancel(job.id, now=key == "k"), _cancelled(running), jobs)

        self.app.push_screen(ConfirmScreen(f"Cancel {_named(jobs)}?", explanation, answers), answered)

    def action_pause(self) -> None:
        for job in self.targets():
            if job.state == "paused" or job.pause_requested:
                self._each(lambda queue, job: queue.resume(job.id), "goes on", [job])
            else:
                self._each(lambda queue, job: queue.pause(job.id), "pauses", [job])

    def action_pause_queue(self) -> None:
        if self.clf.overview.paused:
            self.clf.act(lambda queue: queue.resume(), "the queue goes on")
        else:
            self.clf.act(lambda queue: queue.pause(), "the queue is paused; what runs goes on")

    def action_retry(self) -> None:
        self._each(lambda queue, job: queue.retry(job.id), "is queued again")

    def action_priority(self, by: int) -> None:
        self._each(
            lambda queue, job: queue.set_priority(job.id, job.priority + by), f"priority {'+' if by > 0 else '−'}1"
        )

    def action_order(self, by: int) -> None:
        waiting = [job for job in self.clf.overview.jobs if job.state == "queued"]
        for job in self.targets()[:1]:
            ids = [other.id for other in waiting]
            if job.id not in ids:
                self.notify("only a waiting job can be moved", severity="warning")
                return
            self._move(waiting, ids.index(job.id), by)

    def _move(self, waiting: list[JobRecord], index: int, by: int) -> None:
        job, place = waiting[index], index + by
        if not 0 <= place < len(waiting):
            return
        if by < 0:
            self.clf.act(lambda queue: queue.move(job.id, before=waiting[place].id), "")
        elif place + 1 < len(waiting):
            self.clf.act(lambda queue: queue.move(job.id, before=waiting[place + 1].id), "")
        else:
            self.clf.act(lambda queue: queue.move(job.id, last=True), "")

    def action_remove(self) -> None:
        jobs = [job for job in self.targets() if job.state in FINISHED]
        if not jobs:
            self.notify("only a finished job can be deleted; cancel it first", severity="warning")
            return

        def answered(key: str | None) -> None:
            if key:
                self._each(lambda queue, job: queue.remove(job.id), "deleted", jobs)

        explanation = "Its records, its checkpoints and its whole run directory are deleted."
        self.app.push_screen(ConfirmScreen(f"Delete {_named(jobs)}?", explanation, {"y": "delete"}), answered)

    def action_copy(self) -> None:
        """Ask what of the job; it goes through the terminal (OSC 52), so over SSH it lands in one's own clipboard."""
        for job in self.targets()[:1]:
            choices = copyable(job)

            def answered(key: str | None, choices: dict[str, tuple[str, str]] = choices) -> None:
                if key:
                    self.app.copy_to_clipboard(choices[key][1])
                    self.notify(f"copied {choices[key][1]}")

            self.app.push_screen(ChooseScreen(f"Copy from #{job.id}", choices), answered)

    def ask_for_job(self, go: Callable[[int], None]) -> None:
        """Ask for a job's number and go there."""

        def answered(text: str | None) -> None:
            if text and text.lstrip("#").isdecimal() and int(text.lstrip("#")) in self.clf.overview.by_id:
                go(int(text.lstrip("#")))
            elif text:
                self.notify(f"no job {text}", severity="warning")

        self.app.push_screen(AskScreen("Go to job", "number"), answered)


def copyable(job: JobRecord) -> dict[str, tuple[str, str]]:
    """Key -> (what, its text) of what a job has to copy."""
    figures = {
        "a": ("best accuracy", job.best_accuracy),
        "f": ("best macro F1", job.best_f1),
        "t": ("test accuracy", job.test_accuracy),
    }
    found = {"i": ("id", str(job.id)), "n": ("name", job.name)}
    if job.run_dir:
        found["p"] = ("run directory", job.run_dir)
    return found | {key: (name, f"{value:.6g}") for key, (name, value) in figures.items() if value is not None}


def _named(jobs: list[JobRecord]) -> str:
    return f"#{jobs[0].id} {jobs[0].name}" if len(jobs) == 1 else f"{len(jobs)} jobs"


def _cancelled(running: bool) -> str:
    return "is asked to stop" if running else "cancelled"

"""Telling the person: a command, a webhook or the bell, as `[notify]` in config.toml wishes. Never harms a job.

[notify]
on = ["finished", "failed", "interrupted", "stalled"]
command = ["notify-send", "clf", "{message}"]
webhook = "https://ntfy.sh/my-topic"        # plain text; a Slack-compatible address gets JSON
format = "text"                             # or "slack"; guessed from the address when left away
bell = true
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
import tomllib
from dataclasses import dataclass, field
from typing import Any

from db import records
from db.engine import Database
from db.records import JobRecord
from jobs.ledger import note
from recipes.errors import ClfError, RecipeError
from recipes.home import Home

SECONDS = 10.0  # for one delivery
OCCASIONS = ("finished", "failed", "interrupted", "stalled")
SLACK_LIKE = ("hooks.slack.com", "discord.com/api/webhooks", "/hooks/", "webhook.office.com")


@dataclass(frozen=True)
class Wanted:
    """The [notify] table."""

    on: tuple[str, ...] = OCCASIONS
    command: tuple[str, ...] = ()
    webhook: str | None = None
    slack: bool = False
    bell: bool = False


def wanted(home: Home) -> Wanted:
    """What config.toml asks for; nothing when there is none. Raises RecipeError naming the wrong key."""
    try:
        table = tomllib.loads(home.config.read_text(encoding="utf-8")).get("notify", {})
    except FileNotFoundError:
        return Wanted()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{home.config}: {error}") from error
    known = {"on", "command", "webhook", "format", "bell"}
    if unknown := sorted(set(table) - known):
        raise RecipeError(
            f"{home.config}: unknown key 'notify.{unknown[0]}'", f"known keys: {', '.join(sorted(known))}"
        )
    command, webhook = table.get("command", ()), table.get("webhook")
    slack = table.get("format", "slack" if webhook and any(sign in webhook for sign in SLACK_LIKE) else "text")
    return Wanted(
        on=tuple(table.get("on", OCCASIONS)),
        command=tuple(shlex.split(command) if isinstance(command, str) else command),
        webhook=webhook,
        slack=slack == "slack",
        bell=bool(table.get("bell", False)),
    )


def sentence(job: JobRecord, occasion: str) -> str:
    """One line for a lock screen."""
    head = f"clf: #{job.id} {job.name} {occasion}"
    if occasion == "finished" and job.test_accuracy is not None:
        return f"{head}: {job.test_accuracy:.1%} test accuracy"
    if occasion == "failed" and job.failure_message:
        return f"{head}: {job.failure_message}"
    return f"{head} at epoch {job.epoch}/{job.epochs}" if occasion == "interrupted" else head


@dataclass
class Notifier:
    """Delivers in threads of its own, so that a slow network delays nothing."""

    home: Home
    database: Database
    _threads: list[threading.Thread] = field(default_factory=list)

    def job(self, job_id: int, occasion: str | None = None, *, interrupted: bool = False) -> None:
        """Tell what became of a job; by default its state decides the occasion."""
        try:
            connection = records.connect(self.home.database)
            try:
                job = records.job(connection, job_id)
            finally:
                connection.close()
            occasion = occasion or _occasion(job, interrupted)
            wishes = wanted(self.home)
        except (ClfError, OSError, ValueError) as error:
            self._failed(job_id, str(error))
            return
        if occasion is None or occasion not in wishes.on or not (wishes.command or wishes.webhook or wishes.bell):
            return
        thread = threading.Thread(target=self._deliver, args=(wishes, job, occasion), name="notify", daemon=True)
        thread.start()
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]

    def close(self) -> None:
        """Wait for what is under way."""
        for thread in self._threads:
            thread.join(SECONDS)

    def _deliver(self, wishes: Wanted, job: JobRecord, occasion: str) -> None:
        message = sentence(job, occasion)
        if wishes.bell and sys.stderr.isatty():
            sys.stderr.write("\a")
            sys.stderr.flush()
        try:
            if wishes.command:
                run_command(wishes.command, job, occasion, message)
            if wishes.webhook:
                post_webhook(wishes.webhook, message, slack=wishes.slack)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._failed(job.id, str(error))

    def _failed(self, job_id: int, reason: str) -> None:
        try:
            with self.database.transaction() as session:
                note(session, job_id, "notify", f"could not tell: {reason}")
        except ClfError:
            return


def _occasion(job: JobRecord, interrupted: bool) -> str | None:
    named = {"succeeded": "finished", "failed": "failed"}
    return named.get(job.state) or ("interrupted" if interrupted else None)


def run_command(command: tuple[str, ...], job: JobRecord, occasion: str, message: str) -> None:
    """Run the person's command, words filled in; raises OSError or SubprocessError."""
    fields: dict[str, Any] = {"id": job.id, "name": job.name, "state": job.state, "event": occasion, "message": message}
    words = [word.format_map(fields) for word in command]
    subprocess.run(words, check=True, timeout=SECONDS, stdin=subprocess.DEVNULL, capture_output=True)


def post_webhook(address: str, message: str, *, slack: bool) -> None:
    """POST plain text (ntfy) or ``{"text": ...}`` (Slack and what imitates it); raises OSError, ValueError."""
    import urllib.request  # 8 MB that a worker without a webhook does without

    body = json.dumps({"text": message}).encode() if slack else message.encode()
    kind = "application/json" if slack else "text/plain; charset=utf-8"
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"notify.webhook must be an http address, not {address!r}")
    request = urllib.request.Request(address, data=body, headers={"Content-Type": kind}, method="POST")
    with urllib.request.urlopen(request, timeout=SECONDS):
        pass

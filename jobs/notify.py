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
from collections.abc import Callable
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
    """What config.toml asks for; nothing when there is none. Raises RecipeError naming what is wrong."""
    try:
        table = tomllib.loads(home.config.read_text(encoding="utf-8")).get("notify", {})
    except FileNotFoundError:
        return Wanted()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{home.config}: {error}") from error
    try:
        return _wanted(table)
    except ValueError as error:
        raise RecipeError(f"{home.config}: {error}", "docs/queue.md shows an example") from error


def _wanted(table: Any) -> Wanted:
    """The table checked; raises ValueError."""
    known: dict[str, tuple[type | tuple[type, ...], str]] = {
        "on": (list, "a list"),
        "command": ((str, list), "a text or a list of words"),
        "webhook": (str, "an address"),
        "format": (str, "'text' or 'slack'"),
        "bell": (bool, "true or false"),
    }
    if not isinstance(table, dict):
        raise ValueError("'notify' must be a table: [notify]")
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"unknown key 'notify.{key}' (known: {', '.join(known)})")
        kinds, expected = known[key]
        if not isinstance(value, kinds):
            raise ValueError(f"notify.{key} must be {expected}, not {value!r}")
    on, webhook = table.get("on", list(OCCASIONS)), table.get("webhook")
    if wrong := [each for each in on if each not in OCCASIONS]:
        raise ValueError(f"notify.on: no occasion {wrong[0]!r} (known: {', '.join(OCCASIONS)})")
    if webhook is not None and not webhook.startswith(("http://", "https://")):
        raise ValueError(f"notify.webhook must be an http address, not {webhook!r}")
    form = table.get("format", "slack" if webhook and any(sign in webhook for sign in SLACK_LIKE) else "text")
    if form not in ("text", "slack"):
        raise ValueError(f"notify.format must be 'text' or 'slack', not {form!r}")
    words = table.get("command", [])
    command = tuple(shlex.split(words) if isinstance(words, str) else map(str, words))
    return Wanted(tuple(on), command, webhook, form == "slack", table.get("bell", False))


@dataclass(frozen=True)
class News:
    """What is told; its fields may stand in a command."""

    id: int
    name: str
    state: str
    event: str
    message: str


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
        news = News(job.id, job.name, job.state, occasion, sentence(job, occasion))
        for way, trouble in deliver(wishes, news).items():
            if trouble:
                self._failed(job.id, f"{way}: {trouble}")

    def _failed(self, job_id: int, reason: str) -> None:
        try:
            with self.database.transaction() as session:
                note(session, job_id, "notify", f"could not tell: {reason}")
        except ClfError:
            return


def deliver(wishes: Wanted, news: News) -> dict[str, str]:
    """Tell it in every way that is wished: way -> what went wrong, empty where nothing did."""
    ways: dict[str, Callable[[], None]] = {}
    if wishes.bell:
        ways["bell"] = ring
    if wishes.command:
        ways["command"] = lambda: run_command(wishes.command, news)
    if webhook := wishes.webhook:
        ways["webhook"] = lambda: post_webhook(webhook, news.message, slack=wishes.slack)
    told = {}
    for way, act in ways.items():
        try:
            act()
            told[way] = ""
        except Exception as error:  # whatever a person's command or address may cause: it harms no job
            told[way] = str(error) or type(error).__name__
    return told


def try_out(home: Home) -> dict[str, str]:
    """Send a message about no job in every way config.toml asks for, as `deliver` does; raises RecipeError."""
    return deliver(wanted(home), News(0, "test", "succeeded", "finished", "clf: this is how you will be told"))


def ring() -> None:
    """The bell of the terminal the worker runs in; a worker in the background has none."""
    if sys.stderr.isatty():
        sys.stderr.write("\a")
        sys.stderr.flush()


def _occasion(job: JobRecord, interrupted: bool) -> str | None:
    named = {"succeeded": "finished", "failed": "failed"}
    return named.get(job.state) or ("interrupted" if interrupted else None)


def run_command(command: tuple[str, ...], news: News) -> None:
    """Run the person's command, words filled in; raises OSError, SubprocessError, or LookupError for a wrong field."""
    words = [word.format_map(vars(news)) for word in command]
    subprocess.run(words, check=True, timeout=SECONDS, stdin=subprocess.DEVNULL, capture_output=True)


def post_webhook(address: str, message: str, *, slack: bool) -> None:
    """POST plain text (ntfy) or ``{"text": ...}`` (Slack and what imitates it); raises OSError, ValueError."""
    import urllib.request  # 8 MB that a worker without a webhook does without

    body = json.dumps({"text": message}).encode() if slack else message.encode()
    kind = "application/json" if slack else "text/plain; charset=utf-8"
    request = urllib.request.Request(address, data=body, headers={"Content-Type": kind}, method="POST")
    with urllib.request.urlopen(request, timeout=SECONDS):
        pass

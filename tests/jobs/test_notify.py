"""Being told of an end; and that a deaf receiver harms nothing."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from db import records
from jobs.notify import Notifier, wanted
from jobs.queue import Queue
from recipes.errors import RecipeError
from recipes.home import Home
from tests.jobs.conftest import StartWorker, doing


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An address, and what was posted to it: (content type, body)."""
    got: list[tuple[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            got.append((self.headers["Content-Type"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", got
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_the_worker_tells_of_success_and_failure(
    home: Home,
    queue: Queue,
    start_worker: StartWorker,
    server: tuple[str, list[tuple[str, str]]],
    tmp_path: Path,
) -> None:
    address, got = server
    script = f"""command = ["sh", "-c", "echo '{{id}} {{event}}: {{message}}' >> {tmp_path}/told"]"""
    home.config.write_text(f'[notify]\n{script}\nwebhook = "{address}/topic"\n')
    queue.enqueue(doing("steps 5"))
    queue.enqueue(doing("fail"))
    start_worker("child_steps.py", "--drain").wait()
    assert (tmp_path / "told").read_text().splitlines() == [
        "1 finished: clf: #1 tiny finished: 75.0% test accuracy",
        "2 failed: clf: #2 tiny failed: no such model",
    ]
    assert [body for _, body in got] == [
        "clf: #1 tiny finished: 75.0% test accuracy",
        "clf: #2 tiny failed: no such model",
    ]


def test_slack_gets_json(queue: Queue, server: tuple[str, list[tuple[str, str]]]) -> None:
    address, got = server
    queue.home.config.write_text(f'[notify]\nwebhook = "{address}/hooks/x"\n')
    notifier = Notifier(queue.home, queue.database)
    notifier.job(queue.enqueue(doing("steps 5")), "stalled")
    notifier.close()
    assert got[0][0] == "application/json"
    assert json.loads(got[0][1]) == {"text": "clf: #1 tiny stalled"}


@pytest.mark.parametrize(
    "table",
    ['command = ["/no/such/program"]', 'command = "false"', 'webhook = "http://127.0.0.1:9/x"', 'webhook = "gopher:x"',
     'colour = "red"', "[[[", 'command = "echo {nobody}"', 'command = "echo {id.x}"', "command = 'echo \"'",
     "webhook = 5", 'webhook = "http://["', 'on = "failed"', 'on = ["never"]', 'bell = "loud"', 'format = "xml"'],
)  # fmt: skip
def test_what_cannot_be_delivered_is_noted_and_harms_nothing(
    queue: Queue, reader: sqlite3.Connection, table: str
) -> None:
    queue.home.config.write_text(f"[notify]\n{table}\n")
    notifier = Notifier(queue.home, queue.database)
    job_id = queue.enqueue(doing("steps 5"))
    notifier.job(job_id, "failed")
    notifier.close()
    assert [event.kind for event in records.events(reader, job_id)] == ["queued", "notify"]


def test_a_configuration_that_is_no_table_is_named(home: Home) -> None:
    home.config.write_text("notify = 3\n")
    with pytest.raises(RecipeError, match="must be a table"):
        wanted(home)


def test_each_way_is_tried_though_another_fails(
    queue: Queue, reader: sqlite3.Connection, server: tuple[str, list[tuple[str, str]]]
) -> None:
    address, got = server
    queue.home.config.write_text(f'[notify]\ncommand = "false"\nwebhook = "{address}/topic"\n')
    notifier = Notifier(queue.home, queue.database)
    notifier.job(queue.enqueue(doing("steps 5")), "failed")
    notifier.close()
    assert len(got) == 1
    (event,) = [event for event in records.events(reader, 1) if event.kind == "notify"]
    assert event.message.startswith("could not tell: command:")


def test_an_occasion_that_is_not_wished_is_kept_quiet(queue: Queue, reader: sqlite3.Connection) -> None:
    queue.home.config.write_text('[notify]\non = ["failed"]\ncommand = "false"\n')
    notifier = Notifier(queue.home, queue.database)
    notifier.job(queue.enqueue(doing("steps 5")), "finished")
    notifier.close()
    assert len(records.events(reader, 1)) == 1


def test_no_configuration_is_silence_and_a_wrong_key_is_named(home: Home) -> None:
    assert wanted(home).webhook is None
    home.config.write_text("[notify]\nwebhok = 'x'\n")
    with pytest.raises(RecipeError, match="webhok"):
        wanted(home)

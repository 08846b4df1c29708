"""A terminal that vanishes takes the app with it, and leaves no process that spins."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals of POSIX")
def test_the_app_ends_when_its_terminal_is_closed_even_without_a_signal(tmp_path: Path) -> None:
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tui.cli", "tui"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,  # the pseudo-terminal does not become its controlling terminal: no SIGHUP
        env={**os.environ, "CLF_HOME": str(tmp_path), "TERM": "xterm-256color"},
        cwd=Path(__file__).parents[2],
    )
    os.close(slave)
    drawn = threading.Event()

    def read() -> None:
        seen = b""
        while b"Quit" not in seen:
            seen += os.read(master, 65536)
        drawn.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert drawn.wait(120)
        reader.join()
        os.close(master)
        process.wait(timeout=120)
    finally:
        process.kill()
        process.wait()

"""Memory that processes share is counted once."""

from __future__ import annotations

import subprocess
import sys

import psutil

from core.resident import resident

SERVER = """
import os
shared = bytearray(b"x") * 150_000_000
for _ in range(3):
    if os.fork() == 0:
        own = bytearray(b"x") * 40_000_000
        os.write(1, b".")
        os.read(0, 1)
        os._exit(0)
os.read(0, 1)
"""
TRAINER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SERVER!r}])"


def test_what_the_loader_processes_share_is_counted_once_and_their_own_is_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", TRAINER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.read(3) == b"..."
        held = resident(psutil.Process(parent.pid))
        parent.communicate(b"....")
    assert 150e6 + 3 * 40e6 < held < 2 * 150e6 + 3 * 40e6

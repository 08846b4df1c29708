"""What a person writes into config.toml: keys that work, and for whatever is wrong one notice that names its line."""

from __future__ import annotations

import os
from typing import Any

import pytest
from textual.pilot import Pilot

from recipes.home import Home
from tests.tui.conftest import Opened, read, settled, until
from tui.chosen import chosen

WRONG = {
    "not TOML": ("[tui]\nascii = = true", "not TOML: Invalid value (at line 2"),
    "no text": (b"\xff\xfe\x00", "not TOML: 'utf-8' codec can't decode"),
    "an unknown action": ('[tui.keys]\n\n"job.cancle"="f8"', "line 3: there is no action job.cancle; did you mean job"),
    "a key of another action": ('[tui.keys]\n"job.cancel" = "j"', "line 2: j is job.cancel and list.down"),
    "a sign of another action": ('[tui.keys]\n"job.cancel" = "?"', "line 2: ? is job.cancel and app.help"),
    "a number": ('[tui.keys]\n"job.pause" = "f7"\n"job.cancel" = 5', "line 3: job.cancel = 5 is not a key"),
    "a list": ('[tui.keys]\n"job.cancel" = ["a", "b"]', "line 2: job.cancel = ['a', 'b'] is not a key"),
    "no such key": ('[tui.keys]\n"job.cancel" = "any key"', "line 2: job.cancel = 'any key' is not a key"),
    "an empty key": ('[tui.keys]\n"app.quit" = ""', "line 2: app.quit = '' is not a key"),
    "an unknown modifier": ('[tui.keys]\n"app.quit" = "cmd+q"', "line 2: app.quit = 'cmd+q' is not a key"),
    "no table": ("\ntui = 3", "line 2: [tui] is a table"),
    "no table of keys": ('[tui]\nkeys = "x"', "line 2: [tui.keys] is a table"),
    "no truth": ('[tui]\nascii = "yes"', "line 2: ascii is true or false"),
    "an unknown setting": ("[tui]\nasci = true", "line 2: [tui] has no 'asci'; did you mean ascii?"),
}  # fmt: skip


def _said(pilot: Pilot[Any]) -> str:
    return "\n".join(note.message for note in pilot.app._notifications)


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_said_by_its_line_and_the_app_opens(home: Home, opened: Opened, what: str) -> None:
    text, expected = WRONG[what]
    home.config.write_bytes(text if isinstance(text, bytes) else text.encode())
    async with opened(home) as pilot:
        await until(pilot, lambda: expected in _said(pilot))
        assert "config.toml" in _said(pilot)
        assert len(_said(pilot).splitlines()) == 1
        await pilot.press("question_mark")


@pytest.mark.skipif(os.name == "nt", reason="a folder in the file's place")
async def test_a_file_that_cannot_be_read_is_said(home: Home, opened: Opened) -> None:
    home.config.mkdir()
    async with opened(home) as pilot:
        await until(pilot, lambda: "config.toml cannot be read: Is a directory" in _said(pilot))


async def test_what_is_right_works_beside_what_is_wrong(home: Home, opened: Opened) -> None:
    home.config.write_text('[tui.keys]\n"job.pause" = "f7,ctrl+k"\n"job.cancel" = 5\n')
    async with opened(home) as pilot:
        await pilot.press("j", "f7")
        await settled(pilot)
        await until(pilot, lambda: read(home, 3).state == "paused")


@pytest.mark.parametrize("key", ["f8", "x", "question_mark", "?", "+", "ctrl+shift+left", "space", "ä", "f1,f2"])
def test_every_name_of_a_key_is_taken(home: Home, key: str) -> None:
    home.config.write_text(f'[tui.keys]\n"job.cancel" = "{key}"\n', encoding="utf-8")
    assert chosen(home).keys == {"job.cancel": key}
    assert not chosen(home).troubles

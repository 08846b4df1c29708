"""Keys that arrive together act one after another: ``:``, ``6`` and enter in one packet still go to job 6.

Textual hands every key to the widget that has the focus at that moment, and looks for a binding only when the key has
bubbled back up to the app; the next keys have gone to the same widget by then, and are lost when the first one opens
a dialog. Over a slow link keys do arrive together. What is typed before the first screen is whole waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from textual import events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.message import Message

PATIENCE = 1.0  # seconds; a widget that was closed may swallow a key without a trace


class Passed(Message):
    """Follows a key up the tree: where this arrives, the key has been dealt with."""

    bubble: ClassVar[bool] = True

    def __init__(self, key: events.Key) -> None:
        super().__init__()
        self.key = key


def keys_of(typed: str) -> Iterator[events.Key]:
    """The keys behind what a terminal sent while it was not ours yet: enter was a line feed there."""
    parser = XTermParser()
    for part in (typed.replace("\n", "\r"), "") if typed else ():  # the empty one ends a lone escape
        yield from (event for event in parser.feed(part) if isinstance(event, events.Key))


class KeyOrderApp(App[None]):
    """Hands a key on when the one before was dealt with."""

    def __init__(self, typed: str = "") -> None:
        super().__init__()
        self._typed: deque[events.Key] = deque(keys_of(typed))
        self._takes_keys = False
        self._under_way: events.Key | None = None

    async def on_event(self, event: events.Event) -> None:
        """Keys wait their turn; everything else takes its usual way."""
        if not isinstance(event, events.Key):
            await super().on_event(event)
        elif event.is_forwarded:  # back from below, so bindings are looked up now
            await super().on_event(event)
            await self._dealt_with(event)
        else:
            self._typed.append(event)
            if not self._takes_keys:
                return
            if self._under_way is None:
                await self._hand_on()
            else:
                self.set_timer(PATIENCE, partial(self._dealt_with, self._under_way))

    async def take_keys(self) -> None:
        """From now on keys have something to act on; those typed before go first."""
        if not self._takes_keys:
            self._takes_keys = True
            await self._hand_on()

    async def on_passed(self, message: Passed) -> None:
        """A widget may have kept the key for itself, as an input does."""
        await self._dealt_with(message.key)

    async def _dealt_with(self, key: events.Key) -> None:
        if key is self._under_way and not self._exit:
            await self._hand_on()

    async def _hand_on(self) -> None:
        self._under_way = None
        while self._typed and self._under_way is None:
            key, target = self._typed.popleft(), self.focused or self.screen
            self._under_way = key
            await super().on_event(key)
            if not key.is_forwarded or not target.post_message(Passed(key)):
                self._under_way = None

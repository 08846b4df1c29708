"""The Textual app: what all screens share (feed, clock, acting on the queue, themes, keys) and how it starts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen

from recipes.errors import ClfError, UsageError
from recipes.home import Home
from tui import ascii as ascii_signs
from tui import chosen, remembered
from tui.feed import Feed, Overview
from tui.graphics import ask_terminal
from tui.read_only import REFUSED, ReadOnlyApp
from tui.screens.confirm import ConfirmScreen
from tui.screens.live import LiveScreen
from tui.screens.queue import QueueScreen
from tui.terminal import Terminal, follow_size
from tui.themes import THEMES, palette
from tui.warm_up import warm_up

if TYPE_CHECKING:
    from jobs.queue import Queue

LEAVE_SECONDS = 3  # from a SIGTERM until the process ends, whatever the terminal does
KEYS_SECONDS = 1.0  # how long the first keys wait for the first jobs: a database may be locked
POLL_SECONDS = 0.4
TICK_SECONDS = 1.0  # ages and times left move on even when nothing was written


class ClfApp(ReadOnlyApp):
    """Follows the database of `home`; `clock` gives Unix seconds, `typed` is what was typed before it opened."""

    TITLE = "clf"
    CSS_PATH: ClassVar[Any] = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = True
    CHANGES = frozenset({"start_worker", "stop_worker"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "start_worker", "Worker", id="worker.start", tooltip="Start a worker in the background"),
        Binding("W", "stop_worker", "Stop worker", show=False, id="worker.stop", tooltip="Stop the worker"),
        Binding("R", "recipes", "Recipes", show=False, id="app.recipes", tooltip="Browse the recipes"),
        Binding("t", "next_theme", "Next theme", show=False, id="app.theme", tooltip="The next theme"),
        Binding("question_mark", "keys", "Help", key_display="?", id="app.help", tooltip="All keys"),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, id="app.suspend"),
        Binding("q", "leave", "Quit", id="app.quit", tooltip="Quit; a worker in the background goes on"),
    ]

    def __init__(
        self,
        home: Home,
        *,
        read_only: bool = False,
        clock: Callable[[], float] = time.time,
        ascii: bool | None = None,
        typed: str = "",
    ) -> None:
        self.home, self.clock = home, clock
        self.remembered = remembered.load(home)
        self._chosen = chosen.chosen(home)
        self._compared: set[type[Screen[Any]]] = set()  # screens whose keys were looked through for clashes
        super().__init__(typed, read_only=read_only)
        self.animation_level = "none"  # a slide is a dozen repaints over somebody's network
        self.feed = Feed(home)
        self.overview = Overview()
        self._following = False
        self._queue: Queue | None = None
        self._acting = asyncio.Lock()
        if ascii_signs.wanted(self._chosen.ascii if ascii is None else ascii):
            self._filters.append(ascii_signs.AsciiFilter())
        for theme in THEMES:
            self.register_theme(theme)
        if self.remembered.theme in self.available_themes:
            self.theme = self.remembered.theme

    def get_default_screen(self) -> Screen[Any]:
        """The queue is home."""
        return QueueScreen()

    def get_css_variables(self) -> dict[str, str]:
        """The theme's, and `$quiet` for what matters less."""
        return super().get_css_variables() | {"quiet": palette(self)["quiet"]}

    def on_mount(self) -> None:
        self._terminal = Terminal()
        self.set_keymap(self._chosen.keys)
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.app_resume_signal.subscribe(self, self._resumed)
        self.set_interval(POLL_SECONDS, self.poll)
        self.set_interval(TICK_SECONDS, self._tick)
        if not self.is_headless:
            self._leave_when_told()
            self.run_worker(warm_up(), group="warm-up", exit_on_error=False)
        self.run_worker(self._first_look())
        self.set_timer(KEYS_SECONDS, self.take_keys)
        self._warn(self._chosen.troubles)
        self.run_worker(self._name_unknown(), exit_on_error=False)

    def _leave_when_told(self) -> None:
        """SIGTERM ends the app as `q` does; by itself Python would leave the terminal in our hands.

        A terminal that takes nothing any more (ctrl+s, a connection that froze) stops every write for good: the alarm
        ends the process then.
        """
        if os.name == "nt":
            return
        loop, leave = asyncio.get_running_loop(), partial(self.exit, return_code=128 + signal.SIGTERM)

        def told(*_: object) -> None:
            signal.alarm(LEAVE_SECONDS)
            loop.call_soon_threadsafe(leave)

        signal.signal(signal.SIGTERM, told)  # the loop's own handlers wait for the loop, which may wait for a write

    def _warn(self, troubles: Iterable[str]) -> None:
        for trouble in troubles:
            self.notify(trouble, severity="warning", timeout=10)

    async def _name_unknown(self) -> None:
        self._warn(await asyncio.to_thread(chosen.unknown, self._chosen))

    def _name_clashes(self) -> None:
        if self._chosen.keys and type(self.screen) not in self._compared:
            self._compared.add(type(self.screen))
            self._warn(chosen.clashes(self._chosen, self.screen))

    async def _first_look(self) -> None:
        await self.poll(force=True)
        await self.take_keys()

    async def poll(self, force: bool = False) -> None:
        """Look whether anything changed; never two looks at once."""
        if self._following:
            return
        self._following = True
        try:
            fresh = await self.feed.overview(force)
        finally:
            self._following = False
        if fresh is not None:
            self.overview = fresh
            self._tell()

    def _tell(self) -> None:
        if isinstance(self.screen, LiveScreen):
            with suppress(NoMatches):  # a screen being built or taken down: the next look finds it whole
                self.screen.follow(self.overview)

    def _tick(self) -> None:
        if self._terminal.gone():
            os._exit(128 + signal.SIGHUP)  # nothing is left to draw on, and nothing here is unsaved
        self._name_clashes()
        if any(job.state == "running" for job in self.overview.jobs):
            self._tell()

    def act(self, verb: Callable[[Queue], Any], said: str) -> None:
        """Do something to the queue in a thread; what it refuses is shown, what it did is shown too."""
        self.run_worker(self._act(verb, said), group="acts", exit_on_error=False)

    async def _act(self, verb: Callable[[Queue], Any], said: str) -> None:
        async with self._acting:
            await self.attempt(lambda: verb(self.open_queue()), said)

    async def attempt(self, work: Callable[[], Any], said: str) -> Any:
        """`work` in a thread; a ClfError or an error of the system becomes a notice and gives None."""
        try:
            result = await asyncio.to_thread(work)
        except ClfError as error:
            self.notify(error.hint, title=error.message, severity="error", timeout=8)
            return None
        except OSError as error:
            self.notify(str(error), title="that did not work", severity="error", timeout=8)
            return None
        if said:
            self.notify(said)
        await self.poll()
        return result

    def open_queue(self) -> Queue:
        """The writing side; only from a thread: the first call imports the ORM and may migrate."""
        from jobs.queue import Queue

        if self.read_only:
            raise UsageError(REFUSED)
        if self._queue is None:
            self._queue = Queue(self.home)
        return self._queue

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Starting and stopping a worker is a change, too; a form keeps letters to itself."""
        if self.read_only and action in self.CHANGES:
            return False
        letters = ("leave", "start_worker", "stop_worker", "recipes", "next_theme", "keys")
        if action in letters and getattr(self.screen, "IS_FORM", False):
            return False
        return super().check_action(action, parameters)

    def action_start_worker(self) -> None:
        if self.overview.workers:
            self.notify(f"a worker runs already (pid {self.overview.workers[0].pid})", severity="warning")
            return

        def start() -> int:
            from jobs.launch import start_detached

            return start_detached(self.home)

        self.run_worker(self.attempt(start, "a worker starts in the background"), exit_on_error=False)

    def action_stop_worker(self) -> None:
        if not self.overview.workers:
            self.notify("no worker runs", severity="warning")
            return

        def answered(key: str | None) -> None:
            if key:
                self.run_worker(self.attempt(lambda: self._stop(key == "k"), "the worker is asked to stop"))

        text = "The running job writes a checkpoint and waits in the queue until a worker takes it up again."
        answers = {"y": "stop", "k": "stop now, without a checkpoint"}
        self.push_screen(ConfirmScreen("Stop the worker?", text, answers), answered)

    def _stop(self, now: bool) -> list[int]:
        from jobs.launch import stop_worker

        return stop_worker(self.home, now=now)

    def action_recipes(self) -> None:
        from tui.screens.recipes import RecipesScreen

        self.push_screen(RecipesScreen())

    def action_keys(self) -> None:
        from tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(list(self.screen.active_bindings.values()), self._chosen.keys))

    def action_next_theme(self) -> None:
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.notify(f"theme {self.theme}")

    def _theme_changed(self, _theme: Any) -> None:
        self.remembered.theme = self.theme
        self.remember()
        self._tell()

    def _resumed(self, _app: Any) -> None:
        """Back from ctrl+z: the terminal was handed back empty, and nothing on it is as we left it."""
        self.refresh(layout=True)
        self.run_worker(self.poll(force=True))

    def remember(self) -> None:
        """Write layout, sort and theme."""
        if self.home.root.is_dir():
            remembered.save(self.home, self.remembered)

    def action_leave(self) -> None:
        """Quit at once, unless something goes on without us that should be known."""
        running = [job for job in self.overview.jobs if job.state == "running"]
        if not self.overview.workers:
            self.exit()
            return
        worker = self.overview.workers[0]
        doing = f"training #{running[0].id} {running[0].name}" if running else "waiting for jobs"
        text = f"The worker (pid {worker.pid}, {doing}) goes on in the background."
        self.push_screen(ConfirmScreen("Quit?", text, {"y": "quit"}), lambda key: self.exit() if key else None)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every action that has a key here, by name."""
        seen = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.id and binding.description and active.enabled and binding.action not in seen:
                seen.add(binding.action)
                key = self.get_key_display(binding)
                text = f"{key}  {binding.tooltip}" if binding.tooltip else key
                yield SystemCommand(binding.description, text, lambda b=binding.action, n=active.node: self._do(b, n))
        yield SystemCommand("Theme", "Choose a theme", self.action_change_theme)

    def _do(self, action: str, node: Any) -> None:
        self.call_later(self.run_action, action, node)

    def on_unmount(self) -> None:
        self.feed.close()


def run(home: Home, *, read_only: bool = False) -> None:
    """`clf tui`: open the app on this terminal and return when it is left."""
    follow_size()
    if "TEXTUAL_DRIVER" not in os.environ:
        for name, stream in (("input", sys.__stdin__), ("output", sys.__stdout__)):
            if stream is None or not stream.isatty():
                raise UsageError(f"clf tui needs a terminal, and standard {name} is none", "without one: clf status")
    app = ClfApp(home, read_only=read_only, typed=ask_terminal())
    app.run()
    if app.return_code:
        sys.exit(app.return_code)

"""What every key must do, in tables: the action by its class and id, how to get there, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.binding import Binding
from textual.pilot import Pilot
from textual.widgets import Input

from db import records
from db.records import JobRecord
from recipes.home import Home
from tests.tui.conftest import read, settled, until
from tui.app import ClfApp
from tui.screens.add import AddScreen
from tui.screens.ask import AskScreen
from tui.screens.chart_keys import ChartKeys
from tui.screens.choose import ChooseScreen
from tui.screens.closer import Closer
from tui.screens.compare import CompareScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.help import HelpScreen
from tui.screens.job import JobScreen
from tui.screens.job_actions import JobActions
from tui.screens.queue import QueueScreen
from tui.screens.recipes import RecipesScreen
from tui.widgets.chart_panel import ChartPanel
from tui.widgets.choice import Choice
from tui.widgets.job_table import JobTable
from tui.widgets.log_view import LogView
from tui.widgets.picture_view import PictureView

ELSEWHERE = {  # what takes a real terminal or a real worker
    ("ClfApp", "worker.start"): "test_job_control.py",
    ("ClfApp", "worker.stop"): "test_job_control.py",
    ("ClfApp", "app.suspend"): "test_job_control.py",
    ("ClfApp", "app.quit"): "test_job_control.py",
    ("RecipesScreen", "recipes.edit"): "test_job_control.py",
    ("PictureView", "pictures.turn"): "test_pictures.py",
    ("PictureView", "pictures.sheet"): "test_pictures.py",
}


class Here:
    """The app, its home, and short ways to ask both."""

    def __init__(self, pilot: Pilot[None], home: Home) -> None:
        assert isinstance(pilot.app, ClfApp)
        self.pilot, self.app, self.home = pilot, pilot.app, home
        self.before: Any = None

    @property
    def screen(self) -> Any:
        return self.app.screen

    @property
    def table(self) -> JobTable:
        return self.app.query_one(JobTable)

    @property
    def list(self) -> QueueScreen:
        found = self.app.screen_stack[0]
        assert isinstance(found, QueueScreen)
        return found

    def job(self, number: int) -> JobRecord:
        return read(self.home, number)

    def ids(self) -> list[int]:
        connection = records.connect(self.home.database)
        try:
            return [job.id for job in records.jobs(connection)]
        finally:
            connection.close()

    def paused(self) -> bool:
        connection = records.connect(self.home.database)
        try:
            return records.queue_paused(connection)
        finally:
            connection.close()

    def shows(self, kind: type[Any]) -> bool:
        return isinstance(self.screen, kind)


@dataclass(frozen=True)
class Deed:
    """An action: the job under the cursor and the keys before it, what must come of it, and the keys after it."""

    owner: type[Any]
    id: str
    holds: Callable[[Here], object]
    at: int | None = None
    first: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    measure: Callable[[Here], object] = lambda _here: None


def key_of(owner: type[Any], action_id: str) -> str:
    """The first key of the binding with that id."""
    found = next(b for b in owner.__dict__["BINDINGS"] if isinstance(b, Binding) and b.id == action_id)
    return found.key.split(",")[0]


async def walk(here: Here, deeds: list[Deed]) -> None:
    """One after another in the same app."""
    for deed in deeds:
        if deed.at is not None:
            here.table.select(deed.at)
        await here.pilot.press(*deed.first)
        await settled(here.pilot)
        here.before = deed.measure(here)
        await here.pilot.press(key_of(deed.owner, deed.id), *deed.then)
        try:
            await until(here.pilot, lambda deed=deed: deed.holds(here))
        except BaseException as error:
            error.add_note(f"after {deed.owner.__name__} {deed.id}")
            raise
        await here.pilot.press(*deed.after)
        await settled(here.pilot)


LIST = [
    Deed(JobTable, "list.down", lambda h: h.table.selected == 3, at=2),
    Deed(JobTable, "list.up", lambda h: h.table.selected == 2),
    Deed(JobTable, "list.page_down", lambda h: h.table.selected not in (2, 3)),
    Deed(JobTable, "list.page_up", lambda h: h.table.selected == 2),
    Deed(JobTable, "list.last", lambda h: h.table.selected == h.ids()[-1]),
    Deed(JobTable, "list.first", lambda h: h.table.selected == 2),
    Deed(QueueScreen, "queue.mark", lambda h: h.list.marked == {3}, at=3),
    Deed(QueueScreen, "queue.compare", lambda h: h.shows(CompareScreen), at=9, first=("space",), after=("escape",)),
    Deed(QueueScreen, "queue.clear", lambda h: not h.list.marked),
    Deed(QueueScreen, "queue.filter", lambda h: isinstance(h.app.focused, Input), after=("enter",)),
    Deed(QueueScreen, "queue.sort", lambda h: h.app.remembered.sort == "id"),
    Deed(
        QueueScreen, "queue.reverse", lambda h: h.app.remembered.reverse != h.before,
        measure=lambda h: h.app.remembered.reverse,
    ),
    Deed(QueueScreen, "queue.group", lambda h: h.app.remembered.group, after=("b", "b", "b")),
    Deed(QueueScreen, "queue.details", lambda h: not h.list.query_one("#details").display, after=("z",)),
    Deed(
        QueueScreen, "charts.next", lambda h: h.list.query_one(ChartPanel).visible_keys != h.before,
        measure=lambda h: h.list.query_one(ChartPanel).visible_keys,
    ),
    Deed(QueueScreen, "charts.previous", lambda h: h.list.query_one(ChartPanel).visible_keys == ("loss",)),
    Deed(QueueScreen, "queue.goto", lambda h: h.shows(JobScreen) and h.screen.job_id == 6, then=("6", "enter"),
         after=("escape",)),
    Deed(QueueScreen, "queue.open", lambda h: h.shows(JobScreen), at=2, after=("escape",)),
]  # fmt: skip

VERBS = [
    Deed(JobActions, "job.add", lambda h: h.shows(AddScreen), after=("escape",)),
    Deed(JobActions, "job.pause", lambda h: h.job(3).state == "paused", at=3),
    Deed(JobActions, "queue.pause", lambda h: h.paused(), after=("P",)),
    Deed(JobActions, "job.retry", lambda h: h.job(5).state == "queued", at=5),
    Deed(JobActions, "job.edit", lambda h: h.shows(AddScreen) and h.screen._edit, at=5, after=("escape",)),
    Deed(JobActions, "job.duplicate", lambda h: h.shows(AddScreen) and not h.screen._edit, at=6, after=("escape",)),
    Deed(JobActions, "job.earlier", lambda h: h.job(5).position < h.job(4).position, at=5),
    Deed(JobActions, "job.later", lambda h: h.job(5).position > h.job(4).position, at=5),
    Deed(JobActions, "job.more_urgent", lambda h: h.job(5).priority == 1, at=5),
    Deed(JobActions, "job.less_urgent", lambda h: h.job(5).priority == 0, at=5),
    Deed(JobActions, "job.cancel", lambda h: h.job(5).state == "cancelled", at=5, then=("y",)),
    Deed(JobActions, "job.remove", lambda h: 8 not in h.ids(), at=8, then=("y",)),
    Deed(JobActions, "job.copy", lambda h: h.shows(ChooseScreen), at=6),
    Deed(ChooseScreen, "choose.leave", lambda h: h.shows(QueueScreen)),
    Deed(
        ConfirmScreen, "confirm.no", lambda h: h.shows(QueueScreen) and h.job(4).state == "queued", at=4, first=("x",)
    ),
]

APP = [
    Deed(ClfApp, "app.recipes", lambda h: h.shows(RecipesScreen), after=("escape",)),
    Deed(ClfApp, "app.theme", lambda h: h.app.theme != h.before, measure=lambda h: h.app.theme),
    Deed(ClfApp, "app.help", lambda h: h.shows(HelpScreen)),
    Deed(HelpScreen, "help.close", lambda h: h.shows(QueueScreen)),
]

JOB = [
    *(
        Deed(JobScreen, f"job.{tab}", lambda h, tab=tab: h.screen.tab == tab)  # type: ignore[misc]
        for tab in ("machine", "log", "recipe", "results", "events", "pictures", "charts")
    ),
    Deed(JobScreen, "job.next_tab", lambda h: h.screen.tab == "machine"),
    Deed(JobScreen, "job.previous_tab", lambda h: h.screen.tab == "charts"),
    Deed(Closer, "chart.zoom_in", lambda h: h.screen.window == (18.5, 37.0)),
    Deed(Closer, "chart.left", lambda h: h.screen.window[1] < 37.0),
    Deed(Closer, "chart.right", lambda h: h.screen.window == (18.5, 37.0)),
    Deed(Closer, "chart.far_left", lambda h: h.screen.window[0] < 18.5),
    Deed(Closer, "chart.far_right", lambda h: h.screen.window == (18.5, 37.0)),
    Deed(Closer, "chart.zoom_out", lambda h: h.screen.window is None),
    Deed(Closer, "chart.cursor", lambda h: h.screen.cursor == 37.0, first=("plus",)),
    Deed(Closer, "chart.reset", lambda h: h.screen.cursor is None and h.screen.window is None),
    Deed(Closer, "chart.smooth", lambda h: h.app.remembered.smoothing == 0.6),
    Deed(Closer, "chart.log", lambda h: h.app.remembered.log_y),
    Deed(Closer, "chart.x", lambda h: h.app.remembered.x_axis == "step"),
    Deed(
        ChartKeys, "charts.next", lambda h: h.screen.panel().visible_keys != h.before,
        measure=lambda h: h.screen.panel().visible_keys,
    ),
    Deed(ChartKeys, "charts.previous", lambda h: h.screen.panel().visible_keys[0] == "loss"),
    Deed(JobScreen, "log.follow", lambda h: "not following" in _status(h), first=("3",)),
    Deed(JobScreen, "log.severity", lambda h: "WARNING" in _status(h)),
    Deed(JobScreen, "log.search", lambda h: isinstance(h.app.focused, Input), after=("enter", "v", "v")),
    Deed(JobScreen, "job.down", lambda h: h.screen.query_one("#panel-recipe").scroll_y == 2, first=("4",)),
    Deed(JobScreen, "job.up", lambda h: h.screen.query_one("#panel-recipe").scroll_y == 0),
    Deed(JobScreen, "job.next", lambda h: h.screen.job_id == 3),
    Deed(JobScreen, "job.previous", lambda h: h.screen.job_id == 2),
    Deed(JobScreen, "queue.goto", lambda h: h.screen.job_id == 9, then=("9", "enter")),
    Deed(JobScreen, "job.back", lambda h: h.shows(QueueScreen)),
]  # fmt: skip


def _status(here: Here) -> str:
    return str(here.screen.query_one(LogView).query_one(".status").render())


COMPARE = [
    Deed(CompareScreen, "charts.next", lambda h: h.screen._metric == 1),
    Deed(CompareScreen, "charts.previous", lambda h: h.screen._metric == 0),
    Deed(CompareScreen, "compare.sort", lambda h: h.screen._sort == 1),
    Deed(Closer, "chart.smooth", lambda h: h.app.remembered.smoothing == 0.6),
    Deed(Closer, "chart.log", lambda h: h.app.remembered.log_y),
    Deed(CompareScreen, "compare.down", lambda h: h.screen.query_one("#tables").scroll_y > 0),
    Deed(CompareScreen, "compare.up", lambda h: h.screen.query_one("#tables").scroll_y == 0),
    Deed(CompareScreen, "compare.back", lambda h: h.shows(QueueScreen)),
]

FORM = [
    Deed(AddScreen, "form.next", lambda h: h.app.focused.id == "field-data"),
    Deed(AddScreen, "form.previous", lambda h: h.app.focused.id == "recipe"),
    Deed(Choice, "choice.next", lambda h: h.app.focused.value != h.before, measure=lambda h: h.app.focused.value),
    Deed(Choice, "choice.previous", lambda h: h.app.focused.value == "two_stage"),
    Deed(Choice, "choice.leave", lambda h: h.app.focused.id == "field-data", after=tuple("digits")),
    Deed(AddScreen, "form.result", lambda h: h.screen.query_one("#preview").region.x < 10),
    Deed(AddScreen, "form.page_down", lambda h: _scrolled(h) > 0),
    Deed(AddScreen, "form.page_up", lambda h: _scrolled(h) == 0, after=("ctrl+r",)),
    Deed(AddScreen, "form.submit", lambda h: h.shows(QueueScreen) and h.job(10).data == "digits"),
    Deed(AddScreen, "form.leave", lambda h: h.shows(QueueScreen) and len(h.ids()) == 10, first=("a",)),
]


def _scrolled(here: Here) -> float:
    return max(widget.scroll_y for widget in here.screen.query("#preview, #preview *"))


def _own(here: Here, name: str) -> Path:
    return here.home.recipes / f"{name}.toml"


def _recipe(here: Here) -> str:
    return str(here.screen.chosen.name)


RECIPES = [
    Deed(RecipesScreen, "recipes.down", lambda h: h.screen.chosen.name != h.before, measure=_recipe),
    Deed(RecipesScreen, "recipes.up", lambda h: h.screen.chosen.name != h.before, measure=_recipe),
    Deed(
        RecipesScreen, "recipes.copy", lambda h: _own(h, f"my_{h.before}").exists(), then=("enter",),
        measure=_recipe,
    ),
    Deed(RecipesScreen, "recipes.add", lambda h: h.shows(AddScreen), after=("escape", "R")),
    Deed(RecipesScreen, "recipes.back", lambda h: h.shows(QueueScreen)),
]  # fmt: skip

PICTURES = [
    Deed(PictureView, "pictures.larger", lambda h: _view(h)._zoom == 1),
    Deed(PictureView, "pictures.smaller", lambda h: _view(h)._zoom == 0),
    Deed(PictureView, "pictures.reset", lambda h: _view(h)._zoom == 0, first=("plus", "plus")),
    Deed(PictureView, "pictures.down", lambda h: _view(h)._area.scroll_y > 0, first=("plus", "plus", "plus", "plus")),
    Deed(PictureView, "pictures.up", lambda h: _view(h)._area.scroll_y == 0),
    Deed(PictureView, "pictures.page_down", lambda h: _view(h)._area.scroll_y > 0),
    Deed(PictureView, "pictures.page_up", lambda h: _view(h)._area.scroll_y == 0),
    Deed(PictureView, "pictures.right", lambda h: _view(h)._area.scroll_x > 0, first=("right_square_bracket",)),
    Deed(PictureView, "pictures.left", lambda h: _view(h)._area.scroll_x == 0),
]


def _view(here: Here) -> PictureView:
    found = here.screen.query_one(PictureView)
    assert isinstance(found, PictureView)
    return found


ASK = [Deed(AskScreen, "ask.leave", lambda h: h.shows(QueueScreen))]
CHOICE = [Deed(Choice, "choice.blank", lambda h: h.app.focused.value == "", first=("right",))]
WALKS: dict[str, tuple[list[Deed], tuple[str, ...]]] = {
    "list": (LIST, ()),
    "verbs": (VERBS, ()),
    "app": (APP, ()),
    "job": (JOB, ("enter",)),
    "compare": (COMPARE, ("space", "space", "space", "G", "space", "o")),
    "form": (FORM, ("a",)),
    "recipes": (RECIPES, ("R",)),
    "ask": (ASK, ("colon",)),
    "pictures": (PICTURES, ("colon", "6", "enter", "7")),
}

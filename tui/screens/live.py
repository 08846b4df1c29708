"""What every screen that follows the database shares: it is told what changed, and loads its charts off the loop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, cast

from textual.events import ScreenResume
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget

from db.records import JobRecord
from tui.charts.panels import View
from tui.feed import Overview
from tui.widgets.chart_panel import ChartPanel

LEAST_PAUSE = 0.4  # seconds between two loads that follow a job

if TYPE_CHECKING:
    from tui.app import ClfApp


class LiveScreen(Screen[None]):
    """A screen whose `follow` is called when the queue changed and when it comes to the front."""

    # Textual's own repaints the whole screen, 10 kB, whenever the focus moves; the two widgets repaint themselves.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    CHANGES: ClassVar[frozenset[str]] = frozenset()  # actions that change something: refused when read-only

    _styled_for = ""  # the theme
    _loading = False
    _again = False
    _waiting = False
    _free_at = 0.0  # when the next load may begin, by the monotonic clock
    _look: tuple[object, ...] | None = None  # job, panel, charts and view of the last load
    _drawn: JobRecord | None = None  # the job as it was then

    @property
    def clf(self) -> ClfApp:
        """The app, by its own type."""
        return cast("ClfApp", self.app)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing that changes anything when read-only."""
        return not (action in self.CHANGES and self.clf.read_only) and super().check_action(action, parameters)

    def key_of(self, action_id: str) -> str:
        """The key of an action as it is bound here; empty where it cannot be done.

        Whatever has the focus: a line in which the person types takes the letters for itself, but not for long.
        """
        for node in (self, self.app):
            bindings = node._bindings.copy()
            bindings.apply_keymap(self.app._keymap)
            for _key, binding in bindings:
                if binding.id == action_id and self.app._check_action_state(binding.action, node):
                    return self.app.get_key_display(binding)
        return ""

    def follow(self, overview: Overview) -> None:
        """Show this state of the queue."""

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Styles were computed when the widgets were mounted; only another theme makes them worth computing anew."""
        event.refresh_styles = self._styled_for not in ("", self.clf.theme)
        self._styled_for = self.clf.theme
        self.follow(self.clf.overview)

    def charted(self) -> tuple[JobRecord | None, ChartPanel | None, View]:
        """The job whose charts are shown, where, and how."""
        return None, None, View()

    def load_charts(self) -> None:
        """Read and draw the visible charts where anything about them changed.

        A request during a load is served by one more load. What the person does is drawn at once; what the job does
        waits until four times the last load has passed, so that a run with millions of readings costs a bounded share.
        """
        if self._loading:
            self._again = True
            return
        job, panel, view = self.charted()
        if job is None or panel is None or not panel.is_mounted or not panel.size.width:
            return
        look = (job.id, panel.id, panel.visible_keys, view)
        if look == self._look and job == self._drawn:
            return
        early = self._free_at - time.monotonic()
        if look == self._look and early > 0:
            if not self._waiting:
                self._waiting = True
                self.set_timer(early, self._waited)
            return
        self._loading, self._look, self._drawn = True, look, job
        self.run_worker(self._load_charts(job, panel, view), group="charts")

    def _waited(self) -> None:
        self._waiting = False
        self.load_charts()

    async def _load_charts(self, job: JobRecord, panel: ChartPanel, view: View) -> None:
        start = time.monotonic()
        try:
            await self._load(job, panel, view)
        finally:
            self._free_at = time.monotonic() + max(LEAST_PAUSE, 4 * (time.monotonic() - start))
            self._loading = False
            again, self._again = self._again, False
        if again and self.is_attached:
            self.load_charts()

    async def _load(self, job: JobRecord, panel: ChartPanel, view: View) -> None:
        keys = panel.visible_keys
        found = await self.clf.feed.pictures(job, view, keys)
        if found is None:
            self._look = None  # could not be read: the next request tries again
            return
        now = self.charted()[0] if self.is_attached else None
        if now is not None and now.id == job.id:
            panel.show(found)

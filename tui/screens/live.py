"""What every screen that follows the database shares: it is told what changed, and loads its charts off the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from db.records import JobRecord
from tui.charts.panels import View, pictures
from tui.feed import Overview
from tui.widgets.chart_panel import ChartPanel

if TYPE_CHECKING:
    from tui.app import ClfApp


class LiveScreen(Screen[None]):
    """A screen whose `follow` is called when the queue changed and when it comes to the front."""

    _loading = False
    _again = False

    @property
    def clf(self) -> ClfApp:
        """The app, by its own type."""
        return cast("ClfApp", self.app)

    def follow(self, overview: Overview) -> None:
        """Show this state of the queue."""

    def on_screen_resume(self) -> None:
        self.follow(self.clf.overview)

    def charted(self) -> tuple[JobRecord | None, ChartPanel | None, View]:
        """The job whose charts are shown, where, and how."""
        return None, None, View()

    def load_charts(self) -> None:
        """Read and draw the visible charts; a request during a load is served by one more load."""
        if self._loading:
            self._again = True
            return
        self._loading = True
        self.run_worker(self._load_charts(), group="charts")

    async def _load_charts(self) -> None:
        try:
            while True:
                self._again = False
                job, panel, view = self.charted()
                if panel is not None and panel.is_mounted and panel.size.width:
                    await self._load(job, panel, view)
                if not self._again or not self.is_attached:
                    return
        finally:
            self._loading = False

    async def _load(self, job: JobRecord | None, panel: ChartPanel, view: View) -> None:
        keys = panel.visible_keys
        if job is None:
            return
        found = await self.clf.feed.read(lambda connection: pictures(connection, job, view, keys))
        now = self.charted()[0]
        if found is not None and self.is_attached and now is not None and now.id == job.id:
            panel.show(found)

"""Beside the form: what the recipe comes to in words, its learning rate, and the whole of it in TOML."""

from __future__ import annotations

from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from recipes.recipe import Recipe
from tui.charts.picture import Picture
from tui.screens import preview
from tui.screens.merged import merged_text, plain
from tui.screens.side_by_side import in_columns
from tui.themes import palette
from tui.widgets.chart import Chart

LISTED = 4  # changed settings named above the chart


class FormPreview(Vertical):
    """Shows a recipe and how it differs from the one the form began with."""

    DEFAULT_CSS = """
    FormPreview #gist { height: auto; }
    FormPreview #outline { height: auto; max-height: 10; }
    FormPreview #changes { height: auto; margin-bottom: 1; color: $accent; }
    FormPreview #rate { height: 11; min-height: 6; }
    FormPreview #merged { height: 1fr; min-height: 3; margin-top: 1; scrollbar-size-vertical: 1; }
    FormPreview #merged Static { height: auto; }
    """

    def compose(self) -> ComposeResult:
        with Vertical(id="gist"):
            yield Static("", id="outline", markup=False)
            yield Static("", id="changes", markup=False)
            yield Chart(Picture("Learning rate"), id="rate")
        with VerticalScroll(id="merged", can_focus=False):
            yield Static("", id="toml", markup=False)

    def show(self, recipe: Recipe, before: dict[str, Any], more: list[str]) -> None:
        """`before` is the document without the form's changes; `more` stands below the outline."""
        after = recipe.model_dump(mode="json")
        changed = preview.differences(before, after)
        said = [f"{key}: {plain(was)} → {plain(now)}" for key, was, now in changed[:LISTED]]
        said += [f"and {len(changed) - LISTED} more below"] if len(changed) > LISTED else []
        self.query_one("#outline", Static).update("\n".join([*preview.outline(recipe), *more]))
        changes = Text("\n".join(said)) if said else Text("as the recipe says", palette(self.app)["quiet"])
        self.query_one("#changes", Static).update(changes)
        self.query_one("#rate", Chart).show(preview.learning_rate(recipe))
        old = {key: value for key, value, _ in changed}
        self.query_one("#toml", Static).update(in_columns(merged_text(after, old, palette(self.app))))

    def turn_page(self, by: int) -> None:
        """Scroll the TOML by a page."""
        area = self.query_one("#merged")
        area.scroll_relative(y=by * max(1, area.size.height - 1), animate=False)

"""Recipes: browse and read them, copy one to one's own, edit one's own in $EDITOR, add one to the queue."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from recipes import find, shelf
from recipes.errors import ClfError
from recipes.find import Found
from tui.feed import Overview
from tui.screens import preview
from tui.screens.ask import AskScreen
from tui.screens.live import LiveScreen
from tui.themes import palette
from tui.widgets.key_line import KeyLine


class RecipesScreen(LiveScreen):
    """Names on the left, the file on the right."""

    TITLE_OF_KEYS = "Recipes"
    CHANGES = frozenset({"add", "copy", "edit"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back", id="recipes.back"),
        Binding("a,enter", "add", "Add to queue", id="recipes.add"),
        Binding(
            "d", "copy", "Copy to own", id="recipes.copy", tooltip="Copy the recipe to your own, under another name"
        ),
        Binding("e", "edit", "Edit", id="recipes.edit", tooltip="Edit one of your own in $EDITOR"),
        Binding("j", "move(1)", "Down", show=False, id="recipes.down"),
        Binding("k", "move(-1)", "Up", show=False, id="recipes.up"),
    ]

    def compose(self) -> ComposeResult:
        yield Static("Recipes", classes="headline")
        with Horizontal(id="recipes"):
            yield OptionList(compact=True)
            yield VerticalScroll(Static("", id="file"), can_focus=False)
        yield KeyLine()

    def on_mount(self) -> None:
        self._found: dict[str, Found] = {}
        self._list("")
        self.query_one(OptionList).focus()

    def follow(self, overview: Overview) -> None:
        """Recipes are files; the queue does not change them."""

    def _list(self, chosen: str) -> None:
        self._found = find.available(self.clf.home.recipes)
        options = self.query_one(OptionList)
        options.clear_options()
        quiet = palette(self.app)["quiet"]
        for name, found in self._found.items():
            own = "" if found.origin == "built-in" else "  yours"
            options.add_option(Option(Text(name).append(own, quiet), id=name))
        names = list(self._found)
        options.highlighted = names.index(chosen) if chosen in names else 0

    @property
    def chosen(self) -> Found:
        """The highlighted recipe."""
        option = self.query_one(OptionList).highlighted_option
        return self._found[str(option.id)] if option is not None else next(iter(self._found.values()))

    def on_option_list_option_highlighted(self) -> None:
        self._show(self.chosen)

    async def on_option_list_option_selected(self) -> None:
        await self.run_action("add")  # as the key does, which may be refused

    def _show(self, found: Found) -> None:
        inks = palette(self.app)
        text = Text()
        try:
            recipe = find.load(found.name, self.clf.home.recipes)
            text.append(f"{recipe.description}\n\n", "bold")
            text.append("\n".join(preview.outline(recipe)) + "\n", inks["primary"])
            estimate = preview.cost(recipe, self.clf.overview.jobs)
            text.append(f"{estimate}\n" if estimate else "")
            text.append(f"\n{found.path}\n\n", inks["quiet"])
        except ClfError as error:
            text.append(f"{error.message}\n{error.hint}\n\n", inks["error"])
        try:
            for line in flowing(found.path.read_text(encoding="utf-8", errors="replace").splitlines()):
                ink = inks["quiet"] if line.startswith("#") else "bold" if line.startswith("[") else ""
                text.append(f"{line}\n", ink)
        except OSError as error:
            text.append(str(error), inks["error"])
        self.query_one("#file", Static).update(text)

    def action_move(self, by: int) -> None:
        options = self.query_one(OptionList)
        options.action_cursor_down() if by > 0 else options.action_cursor_up()

    def action_add(self) -> None:
        from tui.screens.add import AddScreen

        self.app.switch_screen(AddScreen(recipe=self.chosen.name))

    def action_copy(self) -> None:
        found = self.chosen

        def answered(name: str | None) -> None:
            if name:
                self.run_worker(self._copy(found, find.normal(name)), exit_on_error=False)

        self.app.push_screen(AskScreen(f"Copy {found.name} to your own as", "name", f"my_{found.name}"), answered)

    async def _copy(self, found: Found, name: str) -> None:
        def write() -> Path:
            return shelf.copy(found, self.clf.home.create().recipes, name)

        if await self.clf.attempt(write, f"{name} is one of your own recipes now") is not None:
            self._list(name)

    def action_edit(self) -> None:
        found = self.chosen
        if found.origin != "own":
            self.notify(f"copy it to your own first ({self.key_of('recipes.copy')})", severity="warning")
            return
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            with self.app.suspend():
                subprocess.run([*shlex.split(editor), str(found.path)], check=False)
        except SuspendNotSupported:  # in a browser
            self.notify(f"there is no terminal here for {editor}: edit {found.path}", severity="warning")
        except OSError as error:
            self.notify(str(error), title=f"{editor} could not be started", severity="error")
        self._list(found.name)
        self._show(self.chosen)


def flowing(lines: Iterable[str]) -> list[str]:
    """The lines, with a sentence of a comment that goes on in the next line on one: the screen folds it anew."""
    found: list[str] = []
    for line in lines:
        if found and found[-1].startswith("# ") and not found[-1].endswith((".", ":")) and re.match(r"# \w", line):
            found[-1] += line[1:]
        else:
            found.append(line)
    return found

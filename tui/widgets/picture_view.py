"""A job in pictures: its surest mistakes, and what the network sees of the data."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, ScrollableContainer, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from db.records import JobRecord
from recipes.home import Home
from tui import graphics
from tui.cells import ending
from tui.screens import run_files
from tui.widgets.photo import Photo

WORST, SHEET = "surest mistakes", "what the network sees"
KINDS = (WORST, SHEET)
ZOOMS = (1.0, 1.5, 2.0, 3.0, 4.0)
CELL = 26  # columns of a mistake at zoom 1, about
SHEET_ROWS = 6


@dataclass(frozen=True)
class Shown:
    """An image file, what to say of it, and its name within the data set."""

    path: Path
    said: str = ""
    name: str = ""

    def caption(self, columns: int) -> str:
        """The name's end matters: its beginning is what goes where room is short."""
        return f"{self.said}\n{ending(self.name, columns)}"


class PictureView(Vertical, can_focus=True):
    """One of KINDS at a time; `look` is cheap when nothing changed."""

    TITLE_OF_KEYS = "Pictures"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket,left_square_bracket", "turn", "Mistakes, sheet", key_display="]",
                id="pictures.turn", tooltip="Surest mistakes, or what the network sees"),
        Binding("enter", "draw_sheet", "Draw sheet", id="pictures.sheet", tooltip="Draw the contact sheet anew"),
        Binding("plus,equals_sign", "zoom(1)", "Larger", key_display="+", id="pictures.larger"),
        Binding("minus", "zoom(-1)", "Smaller", key_display="-", show=False, id="pictures.smaller"),
        Binding("0", "zoom(0)", "As they were", show=False, id="pictures.reset"),
        Binding("left,h", "pan(-8, 0)", "Left", show=False, id="pictures.left"),
        Binding("right,l", "pan(8, 0)", "Right", show=False, id="pictures.right"),
        Binding("up,k", "pan(0, -3)", "Up", show=False, id="pictures.up"),
        Binding("down,j", "pan(0, 3)", "Down", show=False, id="pictures.down"),
        Binding("pageup,ctrl+u", "pan(0, -16)", "Page up", show=False, id="pictures.page_up"),
        Binding("pagedown,ctrl+d", "pan(0, 16)", "Page down", show=False, id="pictures.page_down"),
    ]  # fmt: skip

    DEFAULT_CSS = """
    PictureView { height: 1fr; }
    PictureView > .status { height: 1; color: $quiet; text-wrap: nowrap; text-overflow: ellipsis; }
    PictureView > ScrollableContainer { height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
    PictureView Container { layout: grid; grid-gutter: 1 2; height: auto; grid-rows: auto; }
    PictureView .said { color: $quiet; width: 100%; height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._kind, self._zoom = 0, 0
        self._job: JobRecord | None = None
        self._home: Home | None = None
        self._kept = True  # whether a sheet may be left in the run directory
        self._shown: tuple[object, ...] | None = None
        self._child: asyncio.subprocess.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._trouble = ""

    def compose(self) -> ComposeResult:
        yield Static("", classes="status", markup=False)
        yield ScrollableContainer(id="scroll-pictures", can_focus=False)

    @property
    def _area(self) -> ScrollableContainer:
        return self.query_one(ScrollableContainer)

    def action_turn(self) -> None:
        """The other kind of pictures."""
        self._kind = (self._kind + 1) % len(KINDS)
        self._again()

    def action_zoom(self, by: int) -> None:
        """Larger or smaller; 0: as it was."""
        self._zoom = max(0, min(len(ZOOMS) - 1, self._zoom + by)) if by else 0
        self._again()

    def action_pan(self, x: int, y: int) -> None:
        """Over what is larger than the screen, in cells."""
        self._area.scroll_relative(x=x, y=y, animate=False)

    def action_draw_sheet(self) -> None:
        """Draw the contact sheet anew."""
        if KINDS[self._kind] == SHEET and self._child is None:
            self.run_worker(self._draw_sheet())

    def on_resize(self) -> None:
        self._again()

    def _again(self) -> None:
        if self._job is not None and self._home is not None:
            self.run_worker(self.look(self._job, self._home, self._kept), group="pictures")

    async def look(self, job: JobRecord, home: Home, kept: bool) -> None:
        """Show this job's pictures; `kept`: a contact sheet may be written into its run directory."""
        self._job, self._home, self._kept = job, home, kept
        room = self._area.size.width - 2
        if room < 8:
            return
        pictures = await asyncio.to_thread(self._sheet if KINDS[self._kind] == SHEET else self._mistakes, job, home)
        wanted = (job.id, self._kind, self._zoom, room, pictures, self._child is not None, self._trouble)
        if wanted == self._shown:
            return
        self._shown = wanted
        self._say(len(pictures))
        await self._area.remove_children()
        await self._area.mount(*self._widgets(pictures, room))

    def _say(self, count: int) -> None:
        other = KINDS[(self._kind + 1) % len(KINDS)]
        here = f"{count or 'no'} {WORST}" if KINDS[self._kind] == WORST else f"{SHEET}: as evaluated, augmented, mixed"
        said = f"{here}   ] {other}"
        for part in (f"×{ZOOMS[self._zoom]:g}" if self._zoom else "+ larger", graphics.note()):
            if part and len(said) + 3 + len(part) <= self.size.width:
                said += f"   {part}"
        self.query_one(".status", Static).update(said)

    def _widgets(self, pictures: Sequence[Shown], room: int) -> list[Widget]:
        if not pictures:
            return [Static(self._nothing(), classes="said", markup=False)]
        if KINDS[self._kind] == SHEET:
            columns = round(room * ZOOMS[self._zoom])
            path = Static(str(pictures[0].path), classes="said", markup=False)
            return [Photo(pictures[0].path, Content(), columns, 10_000), path]
        beside = max(1, round(room / (CELL * ZOOMS[self._zoom])))
        columns = (room - 2 * (beside - 1)) // beside
        grid = Container(
            *(Photo(one.path, Content(one.caption(columns)), columns, max(4, columns // 2)) for one in pictures)
        )
        grid.styles.grid_size_columns = beside
        grid.styles.grid_columns = str(columns)
        return [grid]

    def _nothing(self) -> str:
        if KINDS[self._kind] == WORST:
            return "mistakes are known once the run was evaluated on its test images"
        if self._child is not None:
            return "drawing what the network sees: images as evaluated, as augmented, as mixed ..."
        return self._trouble or "press enter to draw a contact sheet: images as evaluated, as augmented, as mixed"

    def _mistakes(self, job: JobRecord, home: Home) -> tuple[Shown, ...]:
        """In a thread: the wrong answers evaluation/ lists first, where their images are known to lie."""
        found = run_files.results(Path(job.run_dir)) if job.run_dir else None
        root = _data_root(job, home)
        if found is None or root is None:
            return ()
        return tuple(
            Shown(
                root / row["path"],
                f"said {row.get('predicted', '')} {float(row.get('confidence') or 0):.0%}\nis {row.get('actual', '')}",
                row["path"],
            )
            for row in found.worst
            if row.get("path")
        )

    def _sheet(self, job: JobRecord, home: Home) -> tuple[Shown, ...]:
        del home
        path = self._sheet_path(job)
        return (Shown(path),) if self._child is None and path.is_file() else ()

    def _sheet_path(self, job: JobRecord) -> Path:
        if self._kept and job.run_dir and Path(job.run_dir).is_dir():
            return Path(job.run_dir) / "contact_sheet.png"
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="clf-sheet-")
        return Path(self._folder.name) / f"{job.id}.png"

    async def _draw_sheet(self) -> None:
        """In a process of its own, which takes some seconds to load what training uses."""
        job, home = self._job, self._home
        if job is None or home is None:
            return
        out = self._sheet_path(job)
        command = [sys.executable, "-P", "-m", "tui.contact_sheet", str(home.datasets), str(out), str(SHEET_ROWS)]
        pipe = asyncio.subprocess.PIPE
        self._child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        self._trouble = ""
        self._again()
        try:
            _, said = await self._child.communicate(job.recipe.encode())
            if self._child.returncode:
                self._trouble = "\n".join(said.decode(errors="replace").strip().splitlines()[-2:])
        finally:
            self._child, self._shown = None, None
        self._again()

    def on_unmount(self) -> None:
        if self._child is not None:
            self._child.kill()
        if self._folder is not None:
            self._folder.cleanup()


def _data_root(job: JobRecord, home: Home) -> Path | None:
    """Where the images of a job lie; None when its recipe or its data cannot be found."""
    from pydantic import ValidationError

    from core.manifest import describe_source
    from recipes.errors import ClfError
    from recipes.recipe import Recipe

    try:
        return describe_source(Recipe.model_validate_json(job.recipe).data, home.datasets).root
    except (ValidationError, ClfError):
        return None

"""Adding a job: a recipe, its common settings checked as one types, and what comes of them."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Label, Static

from db.records import JobRecord
from recipes import find
from recipes.errors import ClfError
from recipes.flags import FIELDS
from recipes.recipe import Recipe
from tui.feed import Overview
from tui.screens import preview
from tui.screens.draft import ENTRIES, Draft, draft
from tui.screens.live import LiveScreen
from tui.widgets.choice import Choice
from tui.widgets.form_preview import FormPreview
from tui.widgets.form_row import FormRow
from tui.widgets.key_line import KeyLine

SIDE_BY_SIDE = 96


class AddScreen(LiveScreen):
    """A form; with a `source` job it starts from that job's frozen recipe, to add another or to edit that one."""

    TITLE_OF_KEYS = "Form"
    IS_FORM = True  # the app's one-letter keys wait
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "submit", "Queue it", id="form.submit", priority=True),
        Binding("ctrl+r", "result", "Result", id="form.result", tooltip="The result in place of the fields, and back"),
        Binding("escape", "leave", "Leave", id="form.leave"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="form.page_down", tooltip="Scroll the result"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="form.page_up", tooltip="Scroll the result"),
        Binding("down", "app.focus_next", "Next field", show=False, id="form.next", priority=True),
        Binding("up", "app.focus_previous", "Previous field", show=False, id="form.previous", priority=True),
    ]

    def __init__(self, source: JobRecord | None = None, *, edit: bool = False, recipe: str | None = None) -> None:
        super().__init__()
        self._source, self._edit = source, edit
        self._first_recipe = recipe
        self._document: dict[str, Any] = {}
        self._draft = Draft()
        self._busy = False

    def compose(self) -> ComposeResult:
        self.set_class(self.app.size.width >= SIDE_BY_SIDE, "wide", update=False)
        yield Static(self._headline(), id="headline", markup=False)
        with Horizontal(id="form"):
            with VerticalScroll(id="fields", can_focus=False):
                with Horizontal(id="recipe-row"):
                    yield Label("recipe", classes="name")
                    yield from self._recipe_field()
                yield Label("", id="description", markup=False)
                for entry in ENTRIES:
                    if entry.key != "name" or not self._edit:  # a job keeps the name it was queued under
                        yield FormRow(entry)
            yield FormPreview(id="preview")
        yield Label("", id="trouble", markup=False)
        yield KeyLine()

    def _headline(self) -> str:
        if self._source is None:
            return "Add a job"
        return f"Edit #{self._source.id} {self._source.name}" if self._edit else f"Add a job like #{self._source.id}"

    def _recipe_field(self) -> ComposeResult:
        if self._source is not None:
            yield Label(f"{self._source.recipe_name}, as #{self._source.id} froze it", id="recipe", markup=False)
            return
        names = sorted(find.available(self.clf.home.recipes))
        first = self._first_recipe if self._first_recipe in names else "two_stage" if "two_stage" in names else names[0]
        yield Choice(names, first, blank=False, id="recipe")

    def on_mount(self) -> None:
        self._take_recipe()
        self.query_one("#field-data" if self._source else "#recipe").focus()

    def on_resize(self) -> None:
        self.set_class(self.app.size.width >= SIDE_BY_SIDE, "wide")

    def follow(self, overview: Overview) -> None:
        """The form does not change under one's hands."""

    def _take_recipe(self) -> None:
        """Load what the fields are laid on and show its values where nothing is typed."""
        try:
            self._document = self._load_document()
            sound = Recipe.model_validate(self._document)
        except (ClfError, ValueError) as error:
            self._document = {}
            self._show(Draft(errors={"": str(error)}))
            return
        self.query_one("#description", Label).update(sound.description)
        for row in self.query(FormRow):
            row.offer(_inherited(sound, row.entry.key))
        self._check()

    def _load_document(self) -> dict[str, Any]:
        if self._source is not None:
            document: dict[str, Any] = json.loads(self._source.recipe)
            return document
        name = self.query_one("#recipe", Choice).value
        return find.document(str(name), self.clf.home.recipes)

    def on_choice_changed(self, event: Choice.Changed) -> None:
        if event.choice.id == "recipe":
            self._take_recipe()
        else:
            self._check()

    def on_input_changed(self) -> None:
        self._check()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes to the next field."""
        event.stop()
        self.focus_next()

    def _check(self) -> None:
        """A few milliseconds of pydantic; what is typed next waits no longer than that."""
        if self._document:
            found = draft(self._document, {row.entry.key: row.text for row in self.query(FormRow)})
            if self._edit and len(found.recipes) > 1:
                found = Draft(errors={"seed": "one job has one seed; d duplicates it with several"})
            self._show(found)

    def _show(self, found: Draft) -> None:
        self._draft = found
        for row in self.query(FormRow):
            row.blame(found.errors.get(row.entry.key, ""))
        self.query_one("#trouble", Label).update(found.errors.get("", ""))
        self.query_one("#trouble").display = bool(found.errors.get(""))
        if found.recipes:
            self._show_preview(found)

    def _show_preview(self, found: Draft) -> None:
        recipe = found.recipes[0]
        workers = self.clf.overview.workers
        device = recipe.run.device if recipe.run.device != "auto" else workers[0].device if workers else None
        more = [preview.cost(recipe, self.clf.overview.jobs, device) or "no estimate: no such job has ended here yet"]
        if len(found.recipes) > 1:
            more.append(f"{len(found.recipes)} jobs, one for each seed")
        before = Recipe.model_validate(self._document).model_dump(mode="json")
        self.query_one(FormPreview).show(recipe, before, more)

    def action_result(self) -> None:
        """Where the terminal is narrow, the result takes the place of the fields, and back."""
        self.toggle_class("result")

    def action_page(self, by: int) -> None:
        self.query_one(FormPreview).turn_page(by)

    def action_leave(self) -> None:
        self.dismiss()

    def action_submit(self) -> None:
        """Queue it; what cannot be queued is said and stays on the form."""
        if self._draft.errors or not self._draft.recipes:
            self._point_at_error()
        elif not self._busy:
            self._busy = True
            self.run_worker(self._submit(self._draft), exit_on_error=False)

    def _point_at_error(self) -> None:
        wrong = next((row for row in self.query(FormRow) if row.error), None)
        if wrong is not None:
            wrong.query_one(f"#field-{wrong.entry.key}").focus()
        self.notify("the form has errors; nothing was queued", severity="error")

    async def _submit(self, wanted: Draft) -> None:
        queued = await self.clf.attempt(lambda: self._queue(wanted), "")
        self._busy = False
        if queued is not None:
            names = ", ".join(f"#{job_id}" for job_id in queued)
            self.notify(f"{names} changed" if self._edit else f"{names} queued")
            self.dismiss()

    def _queue(self, wanted: Draft) -> list[int]:
        """In a thread: checks what can be checked (paths, classes, model), then writes."""
        from jobs.admission import admit

        queue = self.clf.open_queue()
        admitted = [admit(recipe, self.clf.home) for recipe in wanted.recipes]
        if self._edit and self._source is not None:
            queue.edit(self._source.id, admitted[0].recipe, data_hash=admitted[0].data_hash)
            if wanted.priority not in (None, self._source.priority):
                queue.set_priority(self._source.id, wanted.priority)
            return [self._source.id]
        source = self._source
        name = wanted.name or (source.name if source else admitted[0].recipe.name)
        priority = wanted.priority if wanted.priority is not None else source.priority if source else 0
        retries = source.retries if source else 0
        names = [f"{name}-s{one.recipe.run.seed}" if len(admitted) > 1 else name for one in admitted]
        return [
            queue.enqueue(one.recipe, name=name, priority=priority, retries=retries, data_hash=one.data_hash)
            for one, name in zip(admitted, names, strict=True)
        ]


def _inherited(recipe: Recipe, key: str) -> str:
    """What the recipe says where the field stays blank."""
    if key == "mixup" or key == "cutmix":
        return "on" if getattr(recipe.augment, f"{key}_alpha") > 0 else "off"
    if key == "freeze":
        return "; ".join(f"{stage.name}: {stage.freeze.value}" for stage in recipe.stages) or "off"
    if key == "dev-mode":
        return "on" if recipe.data.samples else "off"
    if key == "epochs":
        return str(recipe.total_epochs)
    if key not in FIELDS:
        return ""
    section, name = FIELDS[key].split(".")
    return _value(getattr(getattr(recipe, section), name), blank="")


def _value(value: Any, blank: str = "–") -> str:
    if value is None:
        return blank
    return f"{value:g}" if isinstance(value, float) else str(getattr(value, "value", value))

"""A question before something is destroyed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Label

from tui.screens.dialog import Dialog


class ConfirmScreen(Dialog[str]):
    """Returns the key of the chosen answer, or an empty string for "no"."""

    BINDINGS = [Binding("escape,n,q", "answer('')", "No", id="confirm.no")]

    def __init__(self, question: str, explanation: str, answers: dict[str, str]) -> None:
        super().__init__()
        self._question, self._explanation, self._answers = question, explanation, answers
        for key in answers:
            self._bindings.bind(key, f"answer('{key}')", answers[key])

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content.styled(self._question, "bold"))
            yield Label(self._explanation, markup=False)
            said = [Content.assemble((key, "bold"), f" {text}") for key, text in (*self._answers.items(), ("n", "no"))]
            yield Label(Content("   ").join(said), classes="answers")

    def action_answer(self, key: str) -> None:
        self.dismiss(key)

"""Looking without changing: what would change something is refused by name, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.dom import DOMNode

from tui.printable import PrintableApp

if TYPE_CHECKING:
    from textual.actions import ActionParseResult

REFUSED = "read-only: nothing is changed"


class ReadOnlyApp(PrintableApp):
    """Classes of nodes name the actions that change something in CHANGES, and their `check_action` forbids them."""

    def __init__(self, typed: str = "", *, read_only: bool = False) -> None:
        super().__init__(typed)
        self.read_only = read_only

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """As Textual does; a key that is refused here is dealt with, too."""
        if await super().run_action(action, default_namespace, namespaces):
            return True
        name = action.partition("(")[0] if isinstance(action, str) else action[1]
        refused = self.read_only and name in getattr(default_namespace or self, "CHANGES", ())
        if refused:
            self.notify(REFUSED, severity="warning")
        return refused

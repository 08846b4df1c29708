"""The `clf` command: how it is called, and how an error is shown.

Starting up is felt on every command. So TAB is answered without typer, only the room of the verb that was typed is
loaded, and every command imports what it needs inside its function: `clf status` loads neither torch nor textual nor
the ORM.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run `clf`, or answer the shell that asks what may stand here."""
    if shell := os.environ.get("_CLF_COMPLETE"):
        from tui.completing import answer

        answer(shell, sys.argv[1:])
        return
    from tui.commands.calling import call

    if code := call(sys.argv[1:]):
        sys.exit(code)


if __name__ == "__main__":
    main()

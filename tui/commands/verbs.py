"""The verbs of `clf` by name: which room each lives in, and what to offer for a word that is none of ours."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from recipes.errors import UsageError, nearest

ROOMS = {  # modules of tui.commands, in the order of the help, with their verbs
    "enqueue": ("enqueue", "run"),
    "inspect": ("status",),
    "details": ("show", "logs"),
    "plot": ("plot",),
    "manage": ("cancel", "pause", "resume", "retry", "extend", "priority", "move"),
    "revise": ("edit", "duplicate"),
    "tidy": ("wait", "rm", "clean"),
    "worker": ("worker",),
    "recipes": ("recipes",),
    "models": ("models",),
    "try_out": ("preview", "lr-find", "memory"),
    "predict": ("predict",),
    "completion": ("completion",),
}  # fmt: skip
VERBS = (*(verb for verbs in ROOMS.values() for verb in verbs), "tui")

# What other queues (pueue, at, slurm, systemd) call it, and what it is here.
ELSEWHERE = {
    "add": "enqueue", "submit": "enqueue", "queue": "enqueue", "sbatch": "enqueue", "enqueued": "enqueue",
    "train": "run", "fit": "run",
    "follow": "logs -f", "log": "logs", "tail": "logs -f", "output": "logs",
    "ls": "status", "list": "status", "ps": "status", "jobs": "status", "squeue": "status", "top": "tui", "ui": "tui",
    "watch": "status --watch", "info": "show", "inspect": "show", "describe": "show",
    "kill": "cancel", "stop": "cancel", "abort": "cancel", "scancel": "cancel", "interrupt": "cancel",
    "restart": "retry", "rerun": "retry", "requeue": "retry", "redo": "retry", "reset": "clean",
    "stash": "pause", "hold": "pause", "enqueue-at": "enqueue --not-before", "at": "enqueue --not-before",
    "start": "resume", "unpause": "resume", "release": "resume", "continue": "resume",
    "switch": "move", "reorder": "move", "swap": "move", "nice": "priority", "renice": "priority",
    "remove": "rm", "delete": "rm", "del": "rm", "prune": "clean", "gc": "clean", "purge": "clean",
    "copy": "duplicate", "clone": "duplicate", "change": "edit", "set": "edit", "update": "edit",
    "group": "worker --device", "parallel": "worker --device", "daemon": "worker", "work": "worker",
    "shutdown": "worker stop", "pueued": "worker", "graph": "plot", "chart": "plot", "curves": "plot",
    "compare": "plot", "diff": "plot", "classify": "predict", "infer": "predict",
    "completions": "completion", "help": "--help", "version": "--version",
}  # fmt: skip


def unknown(word: str) -> UsageError:
    """The error for a verb that does not exist, with the one that was probably meant."""
    meant = ELSEWHERE.get(word.lower()) or nearest(word, VERBS)
    return UsageError(
        f"no such command '{word}'", f"did you mean 'clf {meant}'?" if meant else "'clf --help' lists all"
    )


class Verbs(TyperGroup):
    """The group of all verbs: an unknown one is refused with the one that was probably meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise unknown(args[0])
        return super().resolve_command(ctx, args)

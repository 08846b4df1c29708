"""What the shell offers on TAB: verbs, options, live job ids, recipe names; answered without typer where that can be.

A TAB is felt, so each answer loads only what it needs: job ids come from sqlite3 alone, options from the one room of
their verb. The scripts of tui.commands.completion call ``_CLF_COMPLETE=bash clf WORDS``; the last word is unfinished.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from db.job_states import FINISHED, OPEN
from recipes.home import Home

FILES = ":files"  # the shell's own completion of paths is wanted
OFFERED = 50  # jobs, newest first

Offer = tuple[str, str]  # what is put on the command line, and what it is

_WAITING = ("queued", "paused")
JOBS: dict[str, tuple[str, ...]] = {  # verbs that take jobs, with the states their jobs may have
    **dict.fromkeys(("status", "show", "logs", "plot", "duplicate"), ()),
    **dict.fromkeys(("cancel", "wait"), OPEN),
    **dict.fromkeys(("priority", "move", "edit"), _WAITING),
    **dict.fromkeys(("retry", "rm"), FINISHED),
    "pause": ("queued", "running"),
    "resume": ("paused",),
    "extend": ("succeeded",),
    "predict": ("succeeded",),
}
RECIPES = ("enqueue", "run", "preview", "lr-find", "memory", "recipes show", "recipes copy")
ONE_JOB = ("show", "logs", "priority", "move", "edit", "duplicate", "extend", "predict")


def answer(shell: str, words: list[str]) -> None:
    """Print what may stand for the last of `words`: one a line, in zsh and fish with a tab and what it is."""
    cut = 0
    if shell == "bash":
        words, cut = _unbroken(words)
    lines = []
    for value, meaning in candidates(words):
        shown = value[cut:] if value != FILES else value
        lines.append(f"{shown}\t{meaning}" if meaning and shell != "bash" else shown)
    if lines:
        print("\n".join(lines))


def _unbroken(words: list[str]) -> tuple[list[str], int]:
    """Bash breaks words at ``=`` and ``:``: the words whole, and how much of the last one bash does not replace."""
    whole: list[str] = []
    for word in words:
        if whole and (word in ("=", ":", "==", "::") or whole[-1].endswith(("=", ":"))):
            whole[-1] += word
        else:
            whole.append(word)
    last = whole[-1] if whole else ""
    return whole, max(last.rfind("="), last.rfind(":")) + 1


def candidates(words: list[str]) -> list[Offer]:
    """What may stand for the last of `words`; only what begins with it."""
    *before, word = words or [""]
    head = ""
    if word.startswith("--") and "=" in word:
        option, _, word = word.partition("=")
        before, head = [*before, option], f"{option}="
    before = _without_global_options(before)
    return [(head + value, meaning) for value, meaning in _offers(before, word) if _fits(value, word)]


def _fits(value: str, word: str) -> bool:
    return value == FILES or value.startswith(word)


def _without_global_options(words: list[str]) -> list[str]:
    """The words from the verb on; ``--home DIR`` is heeded, unless a value for it is what is missing."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        if rest[0] == "--home" and len(rest) > 1:
            os.environ["CLF_HOME"] = os.path.expanduser(rest.pop(1))  # noqa: PTH111
        elif rest[0] == "--home":
            break
        rest.pop(0)
    return rest


def _offers(before: list[str], word: str) -> Iterator[Offer]:
    if before and before[-1] in VALUES:
        yield from VALUES[before[-1]](word)
    elif before and before[-1].startswith("-") and (wanted := _wanted(before)):
        if set(wanted.split("|")) & {"FILE", "DIR", "FILE.png"}:
            yield FILES, ""
    elif word.startswith("-"):
        yield from _options(before)
    elif not before:
        yield from _verbs()
    else:
        yield from _positional(before, word)


def _positional(before: list[str], word: str) -> Iterator[Offer]:
    verb = before[0]
    given = [each for each in before[1:] if not each.startswith("-")]
    if verb in JOBS and not (verb in ONE_JOB and given):
        yield from job_ids(word, JOBS[verb], given)
        if verb == "predict":
            yield FILES, ""
    elif verb == "predict":
        yield FILES, ""
    elif verb in RECIPES or " ".join(before[:2]) in RECIPES:
        yield from recipe_names(word)
    elif verb in ("worker", "recipes") and not given:
        for name, command in _command([verb]).commands.items():
            yield name, _first_sentence(command.help)


def job_ids(word: str = "", states: tuple[str, ...] = (), given: list[str] | None = None) -> Iterator[Offer]:
    """Jobs in one of `states`, newest first: by number where a number (or nothing) was typed, else by name."""
    head, _, part = word.rpartition(",")
    head = f"{head}," if head else ""
    where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
    for number, name, state in _rows(f"SELECT id, name, state FROM job {where} ORDER BY id DESC", states):
        if str(number).startswith(part) and str(number) not in (given or ()):
            yield f"{head}{number}", f"{name}, {state}"
        elif part and name.startswith(part) and not set(name) & set(" \t'\"$`\\()&;<>|*?!~"):
            yield f"{head}{name}", f"#{number}, {state}"
    if part:
        yield f"{head}last", "the newest job"


def _rows(query: str, values: tuple[str, ...]) -> list[tuple[int, str, str]]:
    try:
        connection = sqlite3.connect(f"{Home.find().database.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)
        rows = connection.execute(f"{query} LIMIT {OFFERED}", values).fetchall()
        connection.close()
    except sqlite3.Error:
        return []
    return rows


def recipe_names(word: str = "") -> Iterator[Offer]:
    """Names of recipes, with ``-`` where the person writes it so."""
    from recipes.shelf import available

    for name in available(Home.find().recipes):
        yield name.replace("_", "-") if "-" in word else name, ""


def data_sources(word: str) -> Iterator[Offer]:
    """The built-in data sets, and folders."""
    yield "digits", "handwritten digits, needs no network"
    yield "food-101", "101 dishes, downloaded"
    folder = Path(word) if word.endswith("/") else Path(word).parent
    try:
        found = sorted(path for path in folder.expanduser().iterdir() if path.is_dir() and path.name[0] != ".")
    except OSError:
        return
    head = word[: word.rfind("/") + 1]
    yield from ((f"{head}{path.name}/", "") for path in found)


def _settings(word: str) -> Iterator[Offer]:
    """``section.key=`` for every field of a recipe."""
    del word
    from recipes.recipe import Recipe

    for section, field in Recipe.model_fields.items():
        for key in getattr(field.annotation, "model_fields", {}):
            yield f"{section}.{key}=", ""


def _among(*names: str) -> Callable[[str], Iterator[Offer]]:
    return lambda _word: ((name, "") for name in names)


def _devices(word: str) -> Iterator[Offer]:
    yield from ((name, "") for name in ("auto", "cpu", "mps", "cuda", "cuda:0", "cuda:1"))
    del word


_PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_SCHEDULES = ("cosine", "onecycle", "step", "multistep", "plateau", "constant")
_STATES = (*OPEN, *FINISHED, "waiting", "blocked", "finished")
_OPTIMISERS = ("adamw", "adam", "sgd", "nadamw", "lamb", "lion", "rmsprop", "adafactor")
_METRICS = ("loss", "accuracy", "f1", "lr", "gap", "speed")

VALUES: dict[str, Callable[[str], Iterator[Offer]]] = {  # what follows an option
    **dict.fromkeys(("--data", "--dataset", "-d"), data_sources),
    **dict.fromkeys(("--after", "--after-any", "--init-from"), job_ids),
    "--before": lambda word: job_ids(word, _WAITING),
    "--device": _devices,
    "--precision": _among(*_PRECISIONS),
    "--scheduler": _among(*_SCHEDULES),
    "--optimizer": _among(*_OPTIMISERS),
    "--batch-size": _among("auto"),
    **dict.fromkeys(("--state", "-s"), _among(*_STATES)),
    "--metric": _among(*_METRICS),
    "--recipe": recipe_names,
    "--set": _settings,
}


def _verbs() -> Iterator[Offer]:
    for name, command in _command([]).commands.items():
        yield name, _first_sentence(command.help)


def _options(before: list[str]) -> Iterator[Offer]:
    command = _command(before)
    for parameter in command.params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            if name.startswith("--"):
                yield name, _first_sentence(getattr(parameter, "help", ""))
    yield "--help", "what can be given"


def _wanted(before: list[str]) -> str:
    """What the option that `before` ends with takes, as the help names it; empty for a flag."""
    for parameter in _command(before[:-1]).params:
        if before[-1] in (*parameter.opts, *parameter.secondary_opts):
            return "" if getattr(parameter, "is_flag", False) else str(parameter.metavar or "VALUE")
    return ""


def _command(words: list[str]):  # type: ignore[no-untyped-def]  # typer's own type is private
    """The command that `words` begin with, from the room of its verb alone."""
    from tui.commands.program import commands

    command = commands(words[0] if words else "")
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return command


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".")

"""What the person decided: ``[tui]`` of config.toml, each value checked, and what is wrong with it by line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys, key_to_character
from textual.screen import Screen

from recipes.home import Home

NAMED = {key.value.rpartition("+")[2] for key in Keys if "<" not in key.value}
MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}
FIELDS = ("keys", "ascii")


@dataclass(frozen=True)
class Chosen:
    """Keys by action id and ASCII drawing; `troubles` says what was left out and why, `lines` where each key stands."""

    keys: dict[str, str] = field(default_factory=dict)
    ascii: bool | None = None
    troubles: tuple[str, ...] = ()
    lines: dict[str, int] = field(default_factory=dict)


def chosen(home: Home) -> Chosen:
    """What config.toml says; what is wrong in it is said, not raised, and left out."""
    try:
        text = home.config.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        return Chosen()
    except OSError as error:
        return Chosen(troubles=(f"config.toml cannot be read: {error.strerror or error}",))
    except ValueError as error:  # says its line by itself
        return Chosen(troubles=(f"config.toml is left out, it is not TOML: {error}",))
    section = document.get("tui", {})
    if not isinstance(section, dict):
        return Chosen(troubles=(f"{_at(text, 'tui')}: [tui] is a table",))
    keys, plain = section.get("keys", {}), section.get("ascii")
    troubles = [f"{_at(text, name)}: [tui] has no {name!r}{_near(name, FIELDS)}" for name in section.keys() - FIELDS]
    if not isinstance(keys, dict):
        troubles.append(f"{_at(text, 'keys')}: [tui.keys] is a table of action = key")
        keys = {}
    troubles += [f"{_at(text, name)}: {name} = {key!r} is not a key" for name, key in keys.items() if not _is_key(key)]
    if plain is not None and not isinstance(plain, bool):
        troubles.append(f"{_at(text, 'ascii')}: ascii is true or false")
        plain = None
    sound = {name: key for name, key in keys.items() if _is_key(key)}
    return Chosen(sound, plain, tuple(sorted(troubles)), {name: _line(text, name) for name in sound})


def unknown(found: Chosen) -> list[str]:
    """What `found` gives a key to that is no action. Imports every screen, so not for the event loop."""
    if not found.keys:
        return []
    here = Path(__file__).parent
    for room in ("screens", "widgets"):
        for module in (here / room).glob("[a-z]*.py"):
            import_module(f"tui.{room}.{module.stem}")
    known = {binding.id for cls in _nodes(DOMNode) for binding in _declared(cls) if binding.id}
    return [
        f"config.toml, line {found.lines[name]}: there is no action {name}{_near(name, known)}"
        for name in found.keys
        if name not in known
    ]


def clashes(found: Chosen, screen: Screen[Any]) -> list[str]:
    """Keys of `found` that another action has, too, where both are to be reached on this screen."""
    said = []
    for name, keys in found.keys.items():
        for key in (part.strip() for part in keys.split(",")):
            others = {
                other.id
                for node in screen._binding_chain
                for other in node[1].key_to_bindings.get(key, node[1].key_to_bindings.get(_named(key), []))
                if other.id and other.id != name
            }
            ours = any(one.id == name for node in screen._binding_chain for one in _all(node[1]))
            if others and ours:
                where = f"config.toml, line {found.lines[name]}"
                said.append(f"{where}: {key} is {name} and {', '.join(sorted(others))}; one of them needs another key")
    return said


def _all(bindings: Any) -> Iterator[Binding]:
    return (binding for group in bindings.key_to_bindings.values() for binding in group)


def _named(key: str) -> str:
    from textual.keys import _character_to_key

    return _character_to_key(key) if len(key) == 1 else key


def _is_key(key: object) -> bool:
    return isinstance(key, str) and all(_is_one_key(part.strip()) for part in key.split(","))


def _is_one_key(key: str) -> bool:
    *held, last = key.split("+") if len(key) > 1 else [key]
    printable = len(last) == 1 and last.isprintable() and last != " "
    return MODIFIERS.issuperset(held) and (printable or last in NAMED or key_to_character(last) is not None)


def _nodes(cls: type[Any]) -> Iterator[type[Any]]:
    yield cls
    for below in cls.__subclasses__():
        yield from _nodes(below)


def _declared(cls: type[Any]) -> Iterable[Binding]:
    return (one for one in cls.__dict__.get("BINDINGS", ()) if isinstance(one, Binding))


def _at(text: str, name: str) -> str:
    return f"config.toml, line {_line(text, name)}"


def _line(text: str, name: str) -> int:
    """The line on which `name` is given a value, or its table begins."""
    given = re.compile(rf"""\s*\[?(?:tui\.)?["']?{re.escape(name)}["']?\s*[\]=.]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if given.match(line)), 1)


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {close[0]}?" if close else ""

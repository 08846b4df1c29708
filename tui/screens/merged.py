"""A recipe as it will be queued, in TOML: every setting after all merging, the changed ones marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from recipes.merge import to_toml


def merged_text(document: Mapping[str, Any], changed: Mapping[str, Any], inks: Mapping[str, str]) -> Text:
    """The whole document; `changed` holds the former value of each changed setting by its flat key."""
    text = Text()
    for key, line in keyed_lines(to_toml(dict(document))):
        if key in changed:
            text.append(line, inks["accent"]).append(f"  was {plain(changed[key])}\n", inks["quiet"])
        elif line.startswith("["):
            text.append(f"{line}\n", "bold")
        else:
            text.append(f"{line}\n")
    return text


def keyed_lines(toml: str) -> Iterator[tuple[str, str]]:
    """(flat key, line) of each line.

    Keys are those of `preview.flat`: ``run.epochs``, and ``stages.head.optim.lr`` by the name of the stage.
    """
    lines = toml.splitlines()
    section, stage = "", ""
    for index, line in enumerate(lines):
        if line.startswith("["):
            section = line.strip("[]")
            following = next((other for other in lines[index + 1 :] if other), "[")
            if line.startswith("[[") and (named := re.match(r'name = "(.*)"', following)):
                stage = named[1]
            yield "", line
        else:
            name, equals, _ = line.partition(" = ")
            path = section.replace("stages", f"stages.{stage}", 1) if section.startswith("stages") else section
            yield (f"{path}.{name}" if path else name) if equals else "", line


def plain(value: Any) -> str:
    """A value in a sentence: TOML's words, no quotation marks."""
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

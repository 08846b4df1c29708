"""Colours: clf's own themes, one safe for colour-blind eyes, and the colours of curves and states under any theme."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from textual.app import App
from textual.color import Color
from textual.theme import Theme

DEFAULT = "clf-dark"

# Okabe and Ito 2008: told apart with every common form of colour blindness.
_OKABE_ITO = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2", "#BBBBBB")
_DARK = ("#5FB3F0", "#F2A65A", "#7FC97F", "#D98CD9", "#E5D96E", "#F07178", "#5AC8C0", "#B0B8C4")
_LIGHT = ("#1F6FB4", "#B85C00", "#2E7D32", "#8E3A9D", "#8A7A00", "#C62828", "#00796B", "#546E7A")

THEMES = (
    Theme(
        name=DEFAULT,
        primary="#5FB3F0",
        secondary="#3F6E94",
        accent="#F2A65A",
        success="#7FC97F",
        warning="#E5C76B",
        error="#F07178",
        foreground="#D8DEE6",
        background="#12161C",
        surface="#161B22",
        panel="#1E252E",
        variables={"footer-key-foreground": "#5FB3F0", "block-cursor-text-style": "none"},
    ),
    Theme(
        name="clf-light",
        primary="#1F6FB4",
        secondary="#7FA8CC",
        accent="#B85C00",
        success="#2E7D32",
        warning="#8A6D00",
        error="#C62828",
        foreground="#1E252E",
        background="#FBFBFA",
        surface="#F4F4F2",
        panel="#E9EAEA",
        dark=False,
        variables={"footer-key-foreground": "#1F6FB4", "block-cursor-text-style": "none"},
    ),
    Theme(
        name="colour-blind",
        primary="#56B4E9",
        secondary="#0072B2",
        accent="#E69F00",
        success="#56B4E9",
        warning="#F0E442",
        error="#E69F00",
        foreground="#E6E6E6",
        background="#101214",
        surface="#15181B",
        panel="#1F2327",
        variables={"footer-key-foreground": "#56B4E9", "block-cursor-text-style": "none"},
    ),
)

_COLOURED = ("primary", "accent", "success", "warning", "error")
_NAMES = ("background", "panel", "foreground", *_COLOURED)

STATE_COLOURS = {
    "queued": "foreground",
    "running": "primary",
    "paused": "warning",
    "succeeded": "success",
    "failed": "error",
    "cancelled": "cancelled",
}


def curve_colours(theme: Theme) -> tuple[str, ...]:
    """Eight colours for curves on this theme's background."""
    if theme.name == "colour-blind":
        return _OKABE_ITO
    return _DARK if theme.dark else _LIGHT


def palette(app: App[Any]) -> dict[str, str]:
    """The theme's colours as #rrggbb for text that is built outside CSS.

    `quiet` and `cancelled` lie between text and background; ``chosen error`` is `error` in the row under the cursor.
    """
    return _palette(tuple(app.theme_variables[name] for name in _NAMES), app.current_theme.dark)


@lru_cache(32)
def _palette(variables: Sequence[str], dark: bool) -> dict[str, str]:
    ends = ("#000000", "#FFFFFF") if dark else ("#FFFFFF", "#000000")  # where the terminal's own colours are used
    named = dict(zip(_NAMES, variables, strict=True))
    background, panel = _solid(named["background"], ends[0]), _solid(named["panel"], ends[0])
    foreground = _solid(named["foreground"], ends[1])
    cursor = background.blend(_solid(named["primary"]), 0.28)
    inks = {name: _legible(background + _solid(named[name]), background, foreground) for name in _COLOURED}
    between = _legible(background.blend(foreground, 0.62), background, foreground, 4.5, 0.8)
    inks |= {
        "foreground": foreground,
        "quiet": _legible(between, panel, foreground, 3.5, 0.8),
        "cancelled": _legible(background.blend(foreground, 0.45), background, foreground, 3.0, 0.6),
    }
    chosen = {f"chosen {name}": _legible(ink, cursor, foreground, 4.5, 0.9) for name, ink in inks.items()}
    axis = background.blend(foreground, 0.5)  # behind the curves
    grounds = {
        "background": background,
        "axis": axis,
        "cursor": cursor,
        "cursor-quiet": background.blend(_solid(named["primary"]), 0.16),
    }
    return {name: ink.hex6 for name, ink in (inks | chosen | grounds).items()}


def _legible(colour: Color, ground: Color, foreground: Color, least: float = 4.5, part: float = 1.0) -> Color:
    """The colour, moved towards the text's until it reads as text on `ground`.

    Contrast `least` (4.5: WCAG 2.2, 1.4.3) or, where the theme's own text has little, that `part` of what it has.
    """
    least = min(least, part * _contrast(ground, foreground))
    steps = (colour.blend(foreground, share / 10) for share in range(11))
    return next((step for step in steps if _contrast(ground, step) >= least), foreground)


def _contrast(one: Color, other: Color) -> float:
    """1 to 21, by WCAG 2.2."""
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Color) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _solid(text: str, default: str = "#808080") -> Color:
    """The colour; `default` where that is what the terminal has, or not known."""
    from textual.color import ColorParseError

    try:
        return Color.parse(default if text == "ansi_default" else text)
    except ColorParseError:
        return Color.parse(default)

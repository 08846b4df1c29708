"""How figures are written, the same in commands and on screens: durations, sizes, shares, times, counts."""

from __future__ import annotations

from datetime import datetime

NOTHING = "-"  # where there is no figure


def duration(seconds: float | None) -> str:
    """``45s``, ``12m 05s``, ``3h 07m``, ``2d 04h``; ``-`` for None."""
    if seconds is None:
        return NOTHING
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 60:
        return f"{whole}s"
    if minutes < 60:
        return f"{minutes}m {whole % 60:02d}s"
    if hours < 48:
        return f"{hours}h {minutes % 60:02d}m"
    return f"{days}d {hours % 24:02d}h"


def age(seconds: float) -> str:
    """``12s``, ``5m``, ``3h``, ``2d``: one number and its unit, for narrow columns."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(max(0.0, seconds))}s"


def size(count: float | None) -> str:
    """Bytes as ``12 kB``, ``812 MB`` or ``3.4 GB`` (powers of 1000); ``-`` for None."""
    if count is None:
        return NOTHING
    for unit, scale in (("TB", 1e12), ("GB", 1e9)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def percent(share: float | None) -> str:
    """``91.3%``; ``-`` for None."""
    return NOTHING if share is None else f"{share:.1%}"


def clock(moment: float | None) -> str:
    """Local date and time of a Unix time, to the second."""
    return NOTHING if moment is None else datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M:%S")


def minute(moment: float | None) -> str:
    """Local date and time of a Unix time, to the minute."""
    return NOTHING if moment is None else datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")


def count(number: int, thing: str) -> str:
    """``1 epoch``, ``2,000 epochs``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"

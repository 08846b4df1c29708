"""Times as a person types them: how long (`8h`, `1h30m`) and when (`22:00`, `+2h`, ISO 8601)."""

from __future__ import annotations

import re
import time
from datetime import date, datetime, timedelta

from recipes.errors import UsageError
from tui import units

LONGEST = 3650 * 86400.0  # seconds; ten years: what is further away is a mistake, and no calendar shows it
_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_LONG = re.compile("".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in "wdhm") + r"(?:(\d+(?:\.\d+)?)s?)?")


def seconds(text: str, option: str) -> float:
    """``90``, ``90s``, ``15m``, ``8h``, ``2d``, ``1w`` or ``1h30m`` in seconds; raises UsageError naming `option`."""
    found = _LONG.fullmatch(text.replace(" ", "").lower())
    if not found or not any(found.groups()):
        raise UsageError(f"{option} {text}: no length of time", "write 90s, 15m, 8h, 2d or 1h30m")
    total = sum(float(n or 0) * unit for n, unit in zip(found.groups(), _UNITS.values(), strict=True))
    if not 0 < total <= LONGEST:
        raise UsageError(f"{option} {text}: expected more than 0 and at most ten years")
    return total


def moment(text: str, option: str) -> float:
    """A Unix time to come: raises UsageError where `text` is none, or lies in the past.

    ``22:00`` is the next one, ``tomorrow 8:00`` and ``+2h`` are counted from now, and ISO 8601 may name its time zone;
    without one, as everywhere, the machine's own counts.
    """
    words, now = text.strip(), time.time()
    if words.startswith("+"):
        return now + seconds(words[1:], option)
    found = _of_the_day(words) or _iso(words)
    if found is None:
        raise UsageError(f"{option} {text}: no time", "write 22:00, 'tomorrow 8:00', +2h or '2026-12-01 08:00'")
    if found <= now:
        raise UsageError(
            f"{option} {text}: {units.minute(found)} lies in the past", f"leave {option} away to begin now"
        )
    if found > now + LONGEST:
        raise UsageError(f"{option} {text}: more than ten years away")
    return found


def _of_the_day(words: str) -> float | None:
    parts = re.fullmatch(r"(tomorrow)?\s*(?:(\d{1,2}):(\d\d)(?::(\d\d))?)?", words.lower())
    if not words or parts is None:
        return None
    hour, minute, second = (int(part or 0) for part in parts.groups()[1:])
    if hour > 23 or minute > 59 or second > 59:
        return None
    day = date.today() + timedelta(days=1 if parts[1] else 0)
    found = datetime(day.year, day.month, day.day, hour, minute, second)
    if found.timestamp() <= time.time():
        found = datetime(day.year, day.month, day.day, hour, minute, second) + timedelta(days=1)
    return found.timestamp()


def _iso(words: str) -> float | None:
    try:
        return datetime.fromisoformat(words).timestamp()
    except (ValueError, OverflowError, OSError):
        return None

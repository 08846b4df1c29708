"""The stop ladder: ask, SIGTERM, SIGKILL; each rung only after the one below was given time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Want(IntEnum):
    """How urgently an attempt should end."""

    GO_ON = 0
    LEAVE = 1  # the flag is in the database; the child looks once a second
    LEAVE_NOW = 2  # its worker is leaving: a signal, then the checkpoint
    DIE = 3


class Rung(StrEnum):
    """The stage of the ladder, as shown in the job's record."""

    ASKED = "asked"
    TERM = "SIGTERM"
    KILL = "SIGKILL"


@dataclass(frozen=True)
class Graces:
    """Seconds to wait on a rung before the next."""

    asked: float = 60.0
    term: float = 30.0
    room: float = 30.0  # between two looks whether a full disk has room again


class Ladder:
    """Climbs as time passes; `step` returns a rung when it is newly reached."""

    def __init__(self, graces: Graces) -> None:
        self.rung: Rung | None = None
        self._graces = graces
        self._since = 0.0

    def step(self, want: Want, now: float) -> Rung | None:
        """The rung to act on, or None to wait; `now` is in seconds of a clock nobody sets."""
        reached = self._reached(want, now)
        if reached is None or reached == self.rung:
            return None
        self.rung, self._since = reached, now
        return reached

    def reset(self) -> None:
        """The wish was taken back."""
        self.rung = None

    def _reached(self, want: Want, now: float) -> Rung | None:
        if want == Want.DIE or self.rung == Rung.KILL:
            return Rung.KILL
        waited = now - self._since
        if self.rung == Rung.TERM:
            return Rung.KILL if waited >= self._graces.term else Rung.TERM
        if want == Want.LEAVE_NOW or (self.rung == Rung.ASKED and waited >= self._graces.asked):
            return Rung.TERM
        return Rung.ASKED if want == Want.LEAVE else None

"""Which jobs are listed, in which order and groups: free words and `key:value` terms, any column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from db.records import JobRecord
from tui.states import SIGNS, data
from tui.widgets.job_columns import BY_KEY

_TITLES: dict[str, Callable[[JobRecord], str]] = {
    "state": lambda job: f"{SIGNS[job.state]} {job.state}",
    "recipe": lambda job: job.recipe_name,
    "data": lambda job: data(job.data),
}
GROUPS = ("", *_TITLES)  # what a list may be grouped by; empty: not at all


@dataclass(frozen=True)
class Group:
    """A stretch of the list: its title and how many jobs follow."""

    title: str
    count: int


def grouped(jobs: Sequence[JobRecord], by: str) -> tuple[list[JobRecord], tuple[Group, ...]]:
    """The jobs with those of a group together, each group in the order given, and the groups.

    States come as the queue has them (running first), recipes and data by name: nothing jumps as jobs move on.
    """
    if by not in _TITLES:
        return list(jobs), ()
    title, states = _TITLES[by], list(SIGNS)
    ranks: dict[str, Callable[[JobRecord], tuple[int, str]]] = {
        "state": lambda job: (0 if job.state == "running" else 1 + states.index(job.state), "")
    }
    rank = ranks.get(by, lambda job: (0, title(job).lower()))
    ordered = sorted(jobs, key=rank)
    return ordered, tuple(Group(name, len(list(members))) for name, members in groupby(ordered, key=title))


def listed(jobs: Iterable[JobRecord], terms: str, sort: str, reverse: bool, now: float) -> list[JobRecord]:
    """The jobs every term fits, in the queue's own order or sorted by a column."""
    found = [job for job in jobs if matches(job, terms)]
    if sort in BY_KEY:
        found.sort(key=lambda job: BY_KEY[sort].order(job, now), reverse=reverse)
    elif reverse:
        found.reverse()
    return found


def matches(job: JobRecord, terms: str) -> bool:
    """``state:failed recipe:two flowers``: each must fit; a term that starts with ``-`` must not."""
    for term in terms.lower().split():
        wanted, term = not term.startswith("-"), term.removeprefix("-")
        if term and _fits(job, term) is not wanted:
            return False
    return True


def _fits(job: JobRecord, term: str) -> bool:
    key, colon, value = term.partition(":")
    texts = {
        "state": job.state,
        "recipe": job.recipe_name,
        "name": job.name,
        "data": job.data,
        "model": job.model,
        "device": job.device or job.device_wanted,
        "kind": job.failure_kind or "",
        "id": str(job.id),
    }
    if colon and key in texts:
        text = texts[key].lower()
        return text == value if key == "id" else value.replace("-", "_") in text.replace("-", "_")
    return any(term in texts[name].lower() for name in ("name", "recipe", "data", "model", "state"))

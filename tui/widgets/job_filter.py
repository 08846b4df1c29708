"""Which jobs are listed and in which order: free words and `key:value` terms, and any column."""

from __future__ import annotations

from collections.abc import Iterable

from db.records import JobRecord
from tui.widgets.job_columns import BY_KEY

KEYS = ("state", "recipe", "name", "data", "model", "device", "id", "kind")


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

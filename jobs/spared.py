"""A job whose process the kernel killed for its memory goes on with half the micro-batch, once."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Session

SPARED = "memory_kill"  # the event that says so


def spared(session: Session, job_id: int | None) -> bool:
    """Whether the job goes on with half its recipe's micro-batch."""
    query = text("SELECT 1 FROM event WHERE job_id = :job AND kind = :kind LIMIT 1")
    return session.connection().execute(query, {"job": job_id, "kind": SPARED}).first() is not None

"""The epochs of a run on record, each put into words once, so that a long run does not slow down with its length."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, overload

Record = dict[str, Any]


class History(Sequence[Record]):
    """One record per epoch: epoch, stage, step and every metric by its "split/name"."""

    def __init__(self, exact: str = "[]") -> None:
        """`exact` is what the property of that name gave."""
        self._records: list[Record] = []
        self._exact: list[str] = []
        self._finite: list[str] = []
        for record in json.loads(exact):
            self.append(record)

    def append(self, record: Record) -> None:
        """Put an epoch on record; it is not to be changed afterwards."""
        exact = json.dumps(record)
        self._records.append(record)
        self._exact.append(exact)
        orderly = {key: None if isinstance(value, float) and not math.isfinite(value) else value
                   for key, value in record.items()}  # fmt: skip
        self._finite.append(exact if orderly == record else json.dumps(orderly))

    @property
    def exact(self) -> str:
        """All records bit for bit, numbers that are not finite as ``NaN`` and ``Infinity``, which json.loads reads."""
        return f"[{','.join(self._exact)}]"

    @property
    def document(self) -> str:
        """All records as standard JSON, one a line; numbers that are not finite are null."""
        return "[\n" + ",\n".join(self._finite) + "\n]\n"

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        return self._records[place]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

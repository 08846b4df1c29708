"""Pictures that were drawn lately: coming back to a job reads nothing again, moving the cursor what stands below it."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from db.records import JobRecord
from tui.charts.panels import Source, View, undecorated
from tui.charts.picture import Picture
from tui.charts.read_out import read_out
from tui.charts.readings import Readings

ROOM = 48  # pictures of some 400 points each


class Album:
    """The last pictures by job, view and chart; for one thread.

    A job's record changes with everything its run writes, so a picture belongs to the record it was read for.
    """

    def __init__(self) -> None:
        self._readings = Readings()
        self._kept: OrderedDict[tuple[JobRecord, View, str], Picture] = OrderedDict()

    def pictures(
        self, connection: sqlite3.Connection, job: JobRecord, view: View, keys: Sequence[str]
    ) -> dict[str, Picture]:
        """What `tui.charts.panels.pictures` gives, from memory where it can be."""
        plain = replace(view, cursor=None)
        missing = [key for key in keys if (job, plain, key) not in self._kept]
        for key, picture in (
            undecorated(Source(connection, self._readings), job, plain, missing).items() if missing else ()
        ):
            self._kept[job, plain, key] = picture
        found = {}
        for key in keys:
            self._kept.move_to_end((job, plain, key))
            found[key] = read_out(connection, job.id, self._kept[job, plain, key], view.cursor, view.x_axis)
        while len(self._kept) > ROOM:
            self._kept.popitem(last=False)
        return found

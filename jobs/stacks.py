"""Where a training process hangs, read from the stacks that faulthandler wrote into its log."""

from __future__ import annotations

import re
from pathlib import Path

PLACES = {  # a file of the program -> what it means that the process stands in it
    "core/checkpoint.py": "while saving a file",
    "core/curves.py": "while drawing the curves",
    "core/report.py": "while writing the report",
    "core/decode.py": "while reading images",
    "core/reader.py": "while reading images",
    "core/pool.py": "while waiting for the loader",
    "core/step.py": "in a training step",
    "core/evaluate.py": "in evaluation",
    "core/features.py": "while computing a frozen backbone's features",
    "core/data.py": "while checking the images",
    "core/datasets.py": "while fetching the data",
    "core/manifest.py": "while listing the images",
    "core/precision.py": "while comparing number formats",
    "core/memory_table.py": "while measuring the batch size",
    "core/models.py": "while building the network",
    "core/epoch.py": "in training",
    "core/validate.py": "in validation",
    "core/prepare.py": "while preparing",
}
_THREAD = re.compile(r"^(?:Current thread|Thread) 0x[^\n]*\n", re.MULTILINE)
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line \d+ in ', re.MULTILINE)


def place(dump: str) -> str | None:
    """What the training thread is in the middle of: the innermost frame that has a name here; None when none has.

    `dump` is what faulthandler printed for all threads, frames most recent first, between other lines of the log. The
    main thread comes last; a deep stack is cut at 100 frames, so that it may not show where it began.
    """
    stacks = [
        ["/".join(Path(match["file"]).parts[-2:]) for match in _FRAME.finditer(text)]
        for text in _THREAD.split(dump)[1:]
    ]
    main = next((files for files in stacks if "core/train.py" in files), stacks[-1] if stacks else [])
    return next((PLACES[file] for file in main if file in PLACES), None)

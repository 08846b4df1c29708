"""A worker process with a stand-in child: ``worker_with.py HOME CHILD.py [--device D] [--drain] [--grace S]``.

With ``--jump S`` its clock is set S seconds forward (or back) when it receives SIGUSR2.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from jobs.ladder import Graces
from jobs.worker import serve
from recipes.errors import ClfError
from recipes.home import Home
from tests.jobs.child_steps import set_clock
from tui.commands.ticker import Ticker

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("child")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--drain", action="store_true")
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("--jump", type=float)
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("clf").setLevel(logging.INFO)
    if options.jump is not None:
        signal.signal(signal.SIGUSR2, lambda *_: set_clock(options.jump))
    try:
        code = serve(  # not `work`: a test may have devices this machine lacks
            Home(options.home),
            options.device,
            [sys.executable, "-P", str(Path(__file__).parent / options.child)],
            Graces(options.grace, options.grace),
            drain=options.drain,
            poll=0.05,
            on_tick=Ticker(Home(options.home)).tick,
        )
    except ClfError as error:
        sys.exit(error.message)
    sys.exit(code)

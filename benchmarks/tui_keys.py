"""What a key press costs, under Textual's test driver: every screen, time and processor time until it is drawn.

`benchmarks/tui.py` runs this; alone it measures one home: ``python benchmarks/tui_keys.py HOME [--profile GROUP]``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from recipes.home import Home
from tui.app import ClfApp

QUIET = 0.08  # seconds without a write after which a key's answer counts as complete
SIZE = (120, 40)

# group -> keys that lead there (not measured), keys that are measured
GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "queue: cursor": (("g",), ("j", "down", "j", "k", "up", "j", "j", "k", "j", "j", "k", "j")),
    "queue: page": ((), ("ctrl+d", "ctrl+d", "ctrl+u", "G", "g", "pagedown", "end", "home")),
    "queue: sort": ((), ("s", "s", "S", "s", "s", "S", "s", "s", "s", "s", "s", "s", "s")),
    "queue: filter": (("slash",), (*"state:failed", *["backspace"] * 12)),
    "queue: marks, panes": (("escape", "g"), ("space", "space", "z", "z", "tab", "right_square_bracket", "escape")),
    "open a job, go back": (("colon", "2", "enter", "escape"), ("enter", "escape", "enter", "escape", "enter", "n", "N",
                            "escape")),
    "job: tabs": (("colon", "2", "enter"), ("2", "4", "5", "6", "3", "1", "tab", "tab", "shift+tab", "1")),
    "job: zoom, pan": ((), ("plus", "plus", "left", "left", "right", "minus", "plus", "0")),
    "job: cursor": (("c",), ("left", "left", "left", "h", "h", "l", "right", "c")),
    "job: smooth, log, x": ((), ("m", "m", "m", "m", "g", "g", "i", "i", "i")),
    "compare": (("escape", *"ssssssssssss", "g", "space", "space", "G", "space"), ("o", "right_square_bracket",
                "right_square_bracket", "left_square_bracket", "s", "s", "m", "m", "m", "m", "g", "g", "j", "k",
                "escape")),
    "form": (("escape",), ("a", "escape", "a", "tab", *"flowers", "tab", "tab", *"resnet18", "tab", "tab", *"60",
             "down", "up", "escape")),
    "recipes": ((), ("R", "j", "j", "j", "k", "escape")),
    "help, theme, ask": ((), ("question_mark", "escape", "t", "t", "t", "colon", "1", "escape")),
    "palette": ((), ("ctrl+p", *"canc", "escape")),
}  # fmt: skip


@dataclass(frozen=True)
class Press:
    """One key: seconds until its first and its last write, processor seconds of the whole process, bytes written."""

    group: str
    key: str
    first: float
    last: float
    cpu: float
    sent: int


class CountingDriver(HeadlessDriver):
    """Textual's test driver, but what would go to a terminal is rendered and counted."""

    sent = 0
    first_at = last_at = 0.0

    @property
    def is_headless(self) -> bool:
        """False, so that the app writes."""
        return False

    def write(self, data: str) -> None:
        """Count it."""
        self.last_at = time.perf_counter()
        self.first_at = self.first_at or self.last_at
        self.sent += len(data.encode())


def counting(home: Home) -> ClfApp:
    """The app on `home` with the counting driver."""
    app = ClfApp(home, ascii=False)
    app.driver_class = CountingDriver
    return app


async def quiet(pilot: Pilot[None]) -> None:
    """Until nothing is in flight and nothing was written for a while."""
    driver = pilot.app._driver
    assert isinstance(driver, CountingDriver)
    start = time.perf_counter()
    while time.perf_counter() - start < 10:
        await asyncio.sleep(0.02)
        busy = any(worker.is_running for worker in pilot.app.workers)
        if not busy and time.perf_counter() - max(start, driver.last_at) > QUIET:
            return


async def press(pilot: Pilot[None], group: str, key: str) -> Press:
    """Press and wait until the answer is complete."""
    app, driver = pilot.app, pilot.app._driver
    assert isinstance(driver, CountingDriver)
    driver.first_at, sent = 0.0, driver.sent
    start, cpu = time.perf_counter(), time.process_time()
    await app._press_keys([key])
    await quiet(pilot)
    spent = time.process_time() - cpu
    if not driver.first_at:
        return Press(group, key, 0.0, 0.0, spent, 0)
    return Press(group, key, driver.first_at - start, driver.last_at - start, spent, driver.sent - sent)


async def walk(home: Home, groups: Iterable[str], rounds: int = 1) -> list[Press]:
    """All keys of the groups in order, in one app."""
    found: list[Press] = []
    app = counting(home)
    async with app.run_test(headless=False, size=SIZE, tooltips=True, notifications=True) as pilot:
        await asyncio.sleep(3)  # a person looks before pressing a key; the app uses that to load what comes next
        await quiet(pilot)
        for group in [group for _ in range(rounds) for group in groups]:
            before, keys = GROUPS[group]
            for key in before:
                await press(pilot, group, key)
            found += [await press(pilot, group, key) for key in keys]
    return found


async def first_screen(home: Home) -> tuple[float, float]:
    """(seconds, processor seconds) from making the app until the list of jobs is drawn."""
    start, cpu = time.perf_counter(), time.process_time()
    app = counting(home)
    async with app.run_test(headless=False, size=SIZE) as pilot:
        while "two_stage" not in "".join(strip.text for strip in app.screen._compositor.render_strips()):
            await pilot.pause(0.005)
        return time.perf_counter() - start, time.process_time() - cpu


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def table(found: list[Press]) -> list[str]:
    """A line per group, and one for all: milliseconds until the first write and until the last chart is drawn."""
    lines = [
        f"{'':24}{'keys':>5}  {'processor time':>20}  {'answer':>12}  {'complete':>12}  {'bytes':>7}",
        f"{'':24}{'':5}  {'p50':>6}{'p95':>7}{'max':>7}  {'p50':>5}{'p95':>7}  {'p50':>5}{'p95':>7}  {'median':>7}",
    ]
    groups = dict.fromkeys(one.group for one in found)
    for name in [*groups, "all"]:
        some = [one for one in found if name in ("all", one.group)]
        cpu = [one.cpu * 1e3 for one in some]
        answer, complete = [one.first * 1e3 for one in some], [one.last * 1e3 for one in some]
        lines.append(
            f"{name:24}{len(some):5}  {percentile(cpu, 0.5):6.0f}{percentile(cpu, 0.95):7.0f}{max(cpu):7.0f}"
            f"  {percentile(answer, 0.5):5.0f}{percentile(answer, 0.95):7.0f}"
            f"  {percentile(complete, 0.5):5.0f}{percentile(complete, 0.95):7.0f}"
            f"  {percentile((one.sent for one in some), 0.5):7.0f}"
        )
    return lines


def main() -> None:
    """Measure one home, or show what a group's keys spend their time on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--group", action="append", choices=list(GROUPS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--each", action="store_true", help="a line for every key")
    parser.add_argument("--first", action="store_true", help="only the first screen, in this process")
    chosen = parser.parse_args()
    home = Home(chosen.home)
    if chosen.first:
        print(*(f"{seconds:.3f}" for seconds in asyncio.run(first_screen(home))))
        return
    (home.root / "tui.json").unlink(missing_ok=True)
    found = asyncio.run(walk(home, chosen.group or GROUPS, chosen.rounds))
    print("\n".join(table(found)))
    for one in found if chosen.each else ():
        times = f"{one.cpu * 1e3:6.0f} {one.first * 1e3:6.0f} {one.last * 1e3:6.0f}"
        print(f"{one.group:24} {one.key:22} {times} {one.sent:7}")


if __name__ == "__main__":
    main()

"""The pictures of the README and docs/tui.md: the real app on a filled home, saved as SVG (`make screenshots`)."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from recipes.home import Home
from tests.tui.fill import NOW, fill, holding_worker, write_run_directory
from tui.app import ClfApp

IMAGES = Path(__file__).parent.parent / "docs" / "images"
# name -> (columns, rows), keys
PICTURES: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "queue": ((126, 36), ()),
    "job": ((126, 36), ("enter",)),
    "add": ((126, 36), ("a", "tab", *"/data/flowers", "tab", "tab", "tab", "tab", *"60")),
    "compare": ((140, 36), ("j", "j", "j", "j", "space", "G", "space", "g", "space", "o")),
}


async def picture(home: Home, size: tuple[int, int], keys: tuple[str, ...]) -> str:
    """The app at `size` after `keys`, as SVG."""
    app = ClfApp(home, clock=lambda: NOW, ascii=False)
    async with app.run_test(size=size) as pilot:
        await quiet(app)
        for key in keys:
            await pilot.press(key)
        await quiet(app)
        return smaller(app.export_screenshot(title="clf tui"))


async def quiet(app: ClfApp) -> None:
    """Until everything was read and drawn."""
    for _ in range(4):
        await app.poll()
        await asyncio.sleep(0.2)
        await app.workers.wait_for_complete()


def smaller(svg: str) -> str:
    """Without the random id and the blanks at the ends of lines."""
    svg = re.sub(r"terminal-\d+-", "t-", svg)
    return re.sub(r"\n\s+", "\n", svg)


def main() -> None:
    """Write every picture, or those named on the command line."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = fill(Home(Path(folder) / "clf"))
        write_run_directory(home.run_dir(2, "two_stage"))
        (home.root / "tui.json").write_text(json.dumps({}), encoding="utf-8")
        with holding_worker(home):
            for name in sys.argv[1:] or PICTURES:
                svg = asyncio.run(picture(home, *PICTURES[name]))
                (IMAGES / f"{name}.svg").write_text(svg.replace(folder, "/home/ada"), encoding="utf-8")
                print(f"docs/images/{name}.svg  {len(svg) // 1000} kB")


if __name__ == "__main__":
    main()

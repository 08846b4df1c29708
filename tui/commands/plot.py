"""`clf plot`: the curves of one job, or of several over each other, in a plain terminal or as a picture."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from db import records
from db.records import JobRecord
from recipes.errors import NotFoundError, UsageError
from tui.commands import context
from tui.commands.arguments import JobWords

PANELS = {
    "loss": ("train/loss", "val/loss"),
    "accuracy": ("train/accuracy", "val/accuracy"),
    "f1": ("train/f1", "val/f1"),
    "lr": ("run/lr",),
    "gap": ("run/gap",),
    "speed": ("run/images_per_second",),
}
DEFAULT = ("loss", "accuracy")
PERCENT = ("accuracy", "f1", "gap")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(plot)


def plot(
    ids: JobWords,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", "-m", help=f"One of {', '.join(PANELS)}; may be given again.")
    ] = None,
    width: Annotated[int | None, typer.Option("--width", min=20, max=500, help="Columns.")] = None,
    height: Annotated[int, typer.Option("--height", min=5, max=100, help="Lines of each chart.")] = 14,
    log_y: Annotated[bool, typer.Option("--log", help="Logarithmic y axis.")] = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="No characters beyond ASCII.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.png", help="Write a picture of four panels instead.")
    ] = None,
) -> None:
    """Draw the curves of jobs: loss and accuracy over the epochs unless --metric says otherwise."""
    connection = context.reader()
    jobs = [records.job(connection, number) for number in records.find(connection, ids)]
    if output is not None:
        _picture(jobs, output)
        return
    for metric in metrics or DEFAULT:
        if metric not in PANELS:
            raise UsageError(f"--metric {metric}: unknown", f"one of {', '.join(PANELS)}")
        typer.echo(chart(jobs, metric, width, height, log_y=log_y, plain=ascii_only))


def chart(
    jobs: list[JobRecord], metric: str, width: int | None, height: int, *, log_y: bool = False, plain: bool = False
) -> str:
    """One panel of PANELS for `jobs` as text; `width` None takes the terminal's, up to 100 columns."""
    from tui.charts.draw import Axes, Curve, Unit, draw

    columns = width or min(100, shutil.get_terminal_size().columns)
    connection = context.reader()
    curves: list[Curve] = []
    for job in jobs:
        for path in PANELS[metric]:
            split, name = path.split("/")
            found = records.series(connection, job.id, split, name, columns=columns)
            label = split if len(PANELS[metric]) > 1 else metric
            curves.append(
                Curve(f"#{job.id} {label}" if len(jobs) > 1 else label, found.xs, found.ys, colour=len(curves))
            )
    return draw(
        curves,
        width=columns,
        height=height,
        title=metric,
        log_y=log_y,
        colour=colour(),
        unicode=not plain and unicode(),
        axes=Axes(y=Unit.PERCENT if metric in PERCENT else Unit.NUMBER),
    )


def colour() -> bool:
    """Whether a chart on stdout may be in colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def unicode() -> bool:
    """Whether stdout can show more than ASCII."""
    return (sys.stdout.encoding or "").lower().startswith("utf")


def _picture(jobs: list[JobRecord], output: Path) -> None:
    """The four panels as the run itself draws them, for one job."""
    import json

    from core.curves import draw_curves
    from recipes.errors import HomeError
    from recipes.recipe import Recipe

    if len(jobs) != 1:
        raise UsageError("--output draws one job", "give one id")
    (job,) = jobs
    path = Path(job.run_dir or "") / "history.json"
    if job.run_dir is None or not path.is_file():
        raise NotFoundError(f"job #{job.id} has no finished epoch to draw")
    plan = Recipe.model_validate_json(job.recipe).plan()
    firsts = [1 + sum(stage.epochs for stage in plan[:index]) for index in range(len(plan))]
    stages = tuple((stage.name, first) for stage, first in zip(plan, firsts, strict=True))
    try:
        draw_curves(json.loads(path.read_text(encoding="utf-8")), output, f"#{job.id} {job.name}", stages)
    except OSError as error:
        raise HomeError(f"cannot write {output}: {error.strerror}", "choose another file") from error
    typer.echo(f"wrote {output}")

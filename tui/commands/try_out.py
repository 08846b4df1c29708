"""Trying out before training: `clf preview`, `clf lr-find`, `clf memory`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.events import Preparing, Warned
from recipes.errors import UsageError
from tui import units
from tui.commands import context, flags
from tui.commands.arguments import RecipeName
from tui.commands.wish import wish

if TYPE_CHECKING:
    from core.lr_find import RangeTest
    from recipes.flags import Flags
    from recipes.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(preview)
    app.command(name="lr-find")(lr_find)
    app.command()(memory)


@flags.takes_flags("data", "image_size", "sets")
def preview(
    recipe: RecipeName,
    given: Flags,
    rows: Annotated[int, typer.Option("--rows", min=1, max=64, help="Images, of different classes.")] = 8,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.png", help="Where to write.")] = Path(
        "preview.png"
    ),
) -> None:
    """Write a contact sheet: images as evaluated, as augmented, and as mixed with their labels."""
    from core.data import ensure_data
    from core.manifest import build_manifest
    from core.preview import contact_sheet

    if output.suffix.lower() != ".png":
        raise UsageError(f"--output {output}: the sheet is a PNG", "give a name that ends in .png")
    chosen = wish(recipe, given).recipe
    datasets = context.home.create().datasets
    for each in ensure_data(chosen.data, datasets):
        _tell(each)
    _tell(None)
    manifest = build_manifest(chosen.data, chosen.run.seed, datasets)
    typer.echo(f"wrote {contact_sheet(chosen, manifest, output, rows)}")


@flags.takes_flags("data", "model", "weights", "init_from", "image_size", "batch_size", "device", "sets")
def lr_find(
    recipe: RecipeName,
    given: Flags,
    steps: Annotated[int, typer.Option("--steps", min=10, max=10_000, help="Optimiser steps of the test.")] = 100,
) -> None:
    """Try learning rates from 1e-7 to 1 in one short run, draw the loss, and suggest one. Changes nothing."""
    from core.lr_find import find_rate
    from jobs.parent import init_from

    chosen = wish(recipe, given).recipe
    home = context.home.create()
    start = init_from(home, chosen)
    found = _watched(find_rate(chosen, datasets=home.datasets, steps=steps, init_from=start))
    typer.echo(_rate_chart(found))
    if found.suggestion is None:
        typer.echo("the loss never fell: no suggestion")
        return
    typer.echo(f"suggestion: --lr {found.suggestion:.1e}")


@flags.takes_flags("data", "model", "image_size", "device", "precision", "sets")
def memory(
    recipe: RecipeName,
    given: Flags,
    classes: Annotated[
        int | None, typer.Option("--classes", min=2, help="Classes of the classifier, in place of the data's.")
    ] = None,
) -> None:
    """Measure on this device how much memory each batch size takes: real steps on synthetic images.

    Of the data only the number of classes is read. The memory is the peak up to that line, above what was in use
    before the first: on the CPU the whole process's, with what the first steps load.
    """
    from core.fits import table

    if classes and given.values["data"]:
        raise UsageError("--classes and --data contradict each other", "give only one")
    sets = ("model.pretrained=false", *given.sets)  # the images are synthetic, so any weights will do
    source = "digits" if classes else given.values["data"]  # which is never read for a number that was given
    chosen = wish(recipe, replace(given, values={**given.values, "data": source}, sets=sets)).recipe
    count = classes or _classes(chosen)
    typer.echo(f"{'' if classes else f'{chosen.data.source}: '}{count} classes")
    typer.echo(f"{'model':<28}  {'px':>4}  {'batch':>5}  {'memory':>9}  fits")
    fits = False
    for row in table(chosen, classes=count):
        fits, taken = row.fits, units.size(row.memory)
        typer.echo(f"{row.model:<28}  {row.image_size:>4}  {row.batch:>5}  {taken:>9}  {'yes' if fits else 'no'}")
    if fits:
        typer.echo("larger batches were not tried")


def _classes(recipe: Recipe) -> int:
    """How many classes the recipe's data has; nothing is fetched and no image opened."""
    from core.manifest import build_manifest, describe_source

    datasets = context.home.datasets
    known = describe_source(recipe.data, datasets).classes
    return known or len(build_manifest(recipe.data, recipe.run.seed, datasets).classes)


def _watched(work: Generator[Preparing | Warned, None, RangeTest]) -> RangeTest:
    """Run a generator of progress to its end with one line on stderr, a warning on a line of its own; its result."""
    try:
        while True:
            each = next(work)
            if isinstance(each, Warned):
                _tell(None)
                typer.echo(f"warning: {each.message}", err=True)
            else:
                _tell(each)
    except StopIteration as end:
        _tell(None)
        found: RangeTest = end.value
        return found


def _tell(each: Preparing | None) -> None:
    """Progress on one line of stderr, wiped by None; nothing where stderr is no terminal."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[2K" + (str(each) if each else ""))
        sys.stderr.flush()


def _rate_chart(found: RangeTest) -> str:
    from math import log10

    from tui.charts.draw import Axes, Curve, Mark, Unit, draw
    from tui.commands.plot import colour, unicode

    marks = [Mark(log10(found.suggestion), label="suggestion")] if found.suggestion else []
    return draw(
        [Curve("loss", [log10(rate) for rate in found.rates], found.losses)],
        width=min(100, shutil.get_terminal_size().columns),
        height=16,
        title="loss by log10 of the learning rate",
        colour=colour(),
        unicode=unicode(),
        markers=marks,
        axes=Axes(x=Unit.NUMBER),
    )

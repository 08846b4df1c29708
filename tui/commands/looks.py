"""`clf preview`: what the network will see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recipes.errors import UsageError
from tui.commands import context, flags
from tui.commands.arguments import RecipeName


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(preview)


def preview(
    recipe: RecipeName,
    data: flags.Data = None,
    image_size: flags.ImageSize = None,
    sets: flags.Sets = None,
    rows: Annotated[int, typer.Option("--rows", min=1, max=64, help="Images, of different classes.")] = 8,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.png", help="Where to write.")] = Path(
        "preview.png"
    ),
) -> None:
    """Write a contact sheet: images as evaluated, as augmented, and as mixed with their labels."""
    from core.manifest import build_manifest
    from core.preview import contact_sheet
    from jobs.admission import admit
    from recipes import find
    from recipes.flags import Flags, overrides
    from recipes.merge import merge
    from recipes.recipe import validate

    if output.suffix.lower() != ".png":
        raise UsageError(f"--output {output}: the sheet is a PNG", "give a name that ends in .png")
    document = find.document(recipe, context.home.recipes)
    given = Flags(values={"data": data, "image-size": image_size}, sets=tuple(sets or ()))
    chosen = admit(validate(merge(document, overrides(given, document)), document["name"]), context.home).recipe
    manifest = build_manifest(chosen.data, chosen.run.seed, context.home.datasets)
    typer.echo(f"wrote {contact_sheet(chosen, manifest, output, rows)}")

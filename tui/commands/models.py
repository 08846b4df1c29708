"""`clf models`: what can be trained by name."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(models)


def models(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="A word, or a pattern such as 'resnet*d'.")] = "*",
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Only models with published weights.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """List models: name, parameters, input size, and whether their weights are already on this machine."""
    from core.catalogue import cached
    from core.names import listing

    found = listing(pattern, pretrained)
    here = cached([entry.timm for entry in found])
    if as_json:
        import json
        from dataclasses import asdict

        described = [{**asdict(entry), "input_size": entry.sizes[0], "cached": entry.timm in here} for entry in found]
        typer.echo(json.dumps(described, indent=2))
        return
    if not found:
        from core.names import check_model_name

        check_model_name(pattern)
    width = max((len(entry.name) for entry in found), default=4)
    typer.echo(f"{'model':<{width}}  {'M params':>8}  {'px':>7}  weights")
    for entry in found:
        weights = "on this machine" if entry.timm in here else ("published" if entry.pretrained else "-")
        builds = f", as {entry.timm}" if entry.timm != entry.name else ""
        sides = "/".join(map(str, entry.sizes))
        typer.echo(f"{entry.name:<{width}}  {entry.millions:>8.1f}  {sides:>7}  {weights}{builds}")
    if pattern == "*" and sys.stdout.isatty():
        _short_names()


def _short_names() -> None:
    from core.names import SHORT_NAMES

    typer.echo("\nshort names: " + ", ".join(SHORT_NAMES))

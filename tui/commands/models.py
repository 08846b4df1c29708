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
    from core.catalogue import cached, entries

    found = entries(pattern, pretrained)
    here = cached([entry.name for entry in found])
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([{**asdict(entry), "cached": entry.name in here} for entry in found], indent=2))
        return
    if not found:
        from core.names import check_model_name

        check_model_name(pattern)
    width = max((len(entry.name) for entry in found), default=4)
    typer.echo(f"{'model':<{width}}  {'M params':>8}  {'px':>4}  weights")
    for entry in found:
        weights = "on this machine" if entry.name in here else ("published" if entry.pretrained else "-")
        typer.echo(f"{entry.name:<{width}}  {entry.millions:>8.1f}  {entry.input_size:>4}  {weights}")
    if pattern == "*" and sys.stdout.isatty():
        _short_names()


def _short_names() -> None:
    from core.names import SHORT_NAMES

    typer.echo("\nshort names: " + ", ".join(SHORT_NAMES))

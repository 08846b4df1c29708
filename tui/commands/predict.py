"""`clf predict`: what a trained model says about images."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.errors import ConfigurationError
from tui import units
from tui.commands import chosen, context
from tui.commands.arguments import Json

if TYPE_CHECKING:
    from core.predict import Answer


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(predict)


def predict(
    model: Annotated[str, typer.Argument(metavar="JOB|FILE", help="12, last, a name, or a final_model.pt.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files, or folders of them.")],
    top: Annotated[int, typer.Option("--top", min=1, help="Classes to name for each image.")] = 1,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every class's probability, as CSV.")] = False,
    as_json: Json = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
) -> None:
    """Say which class a trained model sees in images, and how surely.

    A file that is no image is told on stderr, the rest is done, and the exit code is 1.
    """
    from core.predict import Classifier, images_in

    paths = images_in(images)
    classifier = Classifier(_weights(model), device)
    unreadable: list[Answer] = []
    answers = _told(classifier(paths), len(paths), unreadable)
    if as_csv:
        _as_csv(answers, classifier.classes)
    elif as_json:
        rows = (
            {"path": str(each.path), "class": next(iter(each.shares)), "probabilities": each.shares} for each in answers
        )
        typer.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
    else:
        width = max(len(str(path)) for path in paths)
        for each in answers:
            said = "  ".join(f"{name} {units.percent(share)}" for name, share in list(each.shares.items())[:top])
            typer.echo(f"{each.path!s:<{width}}  {said}")
    if unreadable:
        raise typer.Exit(1)


def _as_csv(answers: Iterator[Answer], classes: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "class", *classes])
    for each in answers:
        writer.writerow([each.path, next(iter(each.shares)), *(f"{each.shares[name]:.6f}" for name in classes)])


def _told(answers: Iterator[Answer], total: int, unreadable: list[Answer]) -> Iterator[Answer]:
    """The answers that are ones, with the rest told on stderr, and progress where the answers go to a file."""
    watched = sys.stderr.isatty() and not sys.stdout.isatty()
    for done, each in enumerate(answers, start=1):
        if watched:
            sys.stderr.write("\r\x1b[2K" + (f"{done:,} of {units.count(total, 'image')}" if done < total else ""))
            sys.stderr.flush()
        if each.trouble:
            unreadable.append(each)
            typer.echo(f"error: {each.trouble}", err=True)
        else:
            yield each


def _weights(word: str) -> Path:
    from db import records
    from jobs.parent import trained

    path = Path(word).expanduser()
    if path.is_file() or path.suffix == ".pt":
        return path
    job = records.job(context.reader(), chosen.one(word))
    found = trained(job, json.loads(job.recipe)["run"]["select"])
    if found is None:
        raise ConfigurationError(f"#{job.id} has no trained weights yet", "let it finish its first epoch")
    return found

"""`clf recipes`: what can be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tui.commands import context
from tui.commands.arguments import RecipeName
from tui.commands.tables import console

if TYPE_CHECKING:
    from recipes.recipe import Recipe

recipes_app = typer.Typer(help="List and show recipes.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add `clf recipes` and what stands below it."""
    app.add_typer(recipes_app, name="recipes")


@recipes_app.callback()
def recipes(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the recipes with model, size, epochs and purpose."""
    if ctx.invoked_subcommand is not None:
        return
    from recipes import find

    found = find.available(context.home.recipes)
    loaded = {name: find.load(name, context.home.recipes) for name in found}
    if as_json:
        import json

        typer.echo(json.dumps([recipe.model_dump(mode="json") for recipe in loaded.values()], indent=2))
        return
    _print_table([(recipe, found[name].origin) for name, recipe in loaded.items()])


def _print_table(rows: list[tuple[Recipe, str]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title, justify in (("recipe", "left"), ("model", "left"), ("px", "right"), ("epochs", "right")):
        table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("purpose")
    for recipe, origin in rows:
        epochs = "+".join(str(plan.epochs) for plan in recipe.plan())
        purpose = recipe.description + (" (own)" if origin == "own" else "")
        table.add_row(recipe.name, recipe.model.name, str(recipe.data.image_size), epochs, purpose)
    console().print(table)


@recipes_app.command(name="show")
def show_recipe(
    name: RecipeName,
    sets: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a field.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the learning rate over the epochs instead.")] = False,
) -> None:
    """Print a recipe with everything it extends and every default filled in."""
    from recipes import find
    from recipes.errors import RecipeError, UsageError
    from recipes.merge import assignments, to_toml

    recipe = find.load(name, context.home.recipes)
    if sets:
        try:
            recipe = find.load(name, context.home.recipes, assignments(sets))
        except RecipeError as error:  # the file itself is sound, so what was typed is at fault
            raise UsageError(error.message, error.hint) from error
    if plot:
        typer.echo(_rate_chart(recipe))
        return
    typer.echo(to_toml(recipe.model_dump(mode="json")), nl=False)


def _rate_chart(recipe: Recipe) -> str:
    """The learning rate by epoch, at 50 points an epoch; plateau is drawn as if it never dropped."""
    import shutil

    from core.schedule import Span, rate
    from tui.charts.draw import Axes, Curve, Mark, Unit, draw
    from tui.commands.plot import colour, unicode

    points = 50
    xs: list[float] = []
    ys: list[float | None] = []
    marks = []
    first = 0
    for plan in recipe.plan():
        span = Span.of(plan.schedule, plan.epochs, points)
        xs += [first + step / points for step in range(span.steps)]
        ys += [rate(plan.schedule, span, step, plan.optim.lr) for step in range(span.steps)]
        marks.append(Mark(first, label=plan.name))
        if span.warmup:
            marks.append(Mark(first + span.warmup / points, label="warm-up ends"))
        first += plan.epochs
    return draw(
        [Curve("lr", xs, ys)],
        width=min(100, shutil.get_terminal_size().columns),
        height=18,
        title=f"{recipe.name}: learning rate by epoch",
        colour=colour(),
        unicode=unicode(),
        markers=marks,
        axes=Axes(x=Unit.EPOCH),
    )


@recipes_app.command()
def copy(
    name: RecipeName,
    own: Annotated[str, typer.Argument(help="The name of your own.")],
) -> None:
    """Copy a recipe to one of your own, to change as you like."""
    from recipes import find, shelf

    recipe = find.load(name, context.home.recipes)
    found = shelf.available(context.home.recipes)[recipe.name]
    typer.echo(f"wrote {shelf.copy(found, context.home.create().recipes, own)}: change what you want")

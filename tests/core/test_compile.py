"""`run.compile` compiles the network in place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.prepare import prepare
from core.run import Run
from recipes.recipe import Recipe


def prepared(recipe: Recipe, folder: Path, datasets: Path) -> Run:
    work = prepare(recipe, folder, datasets=datasets, init_from=None)
    while True:
        try:
            next(work)
        except StopIteration as end:
            run: Run = end.value
            return run


@pytest.mark.parametrize("wanted", [True, False])
def test_the_network_is_compiled_when_asked_and_keeps_its_names(
    wanted: bool, recipe: Callable[..., Recipe], datasets: Path, tmp_path: Path
) -> None:
    chosen = recipe(f"run.compile={str(wanted).lower()}")
    run = prepared(chosen, tmp_path, datasets)
    assert (run.network.body._compiled_call_impl is not None) is wanted
    assert not any("_orig_mod" in name for name in run.network.body.state_dict())

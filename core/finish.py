"""The end of a run: the best weights become the final model and meet the test split, once."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import torch

from core.artifacts import write_history, write_model_info
from core.checkpoint import DamagedCheckpointError, load, save
from core.content import weights_content
from core.evaluate import Scorer
from core.events import CheckpointSaved, Event, Outcome, RunFinished, Warned
from core.losses import plain
from core.models import set_image_size
from core.report import write_report
from core.run import Run, Stop, micro_batch
from core.saving import BEST_FILES, draw
from core.stage import open_loader
from core.validate import Seen, score
from recipes.recipe import StagePlan
from recipes.sections import Data

FILES = (
    "recipe.toml", "history.json", "training_curves.png", *BEST_FILES.values(), "last_checkpoint.pt", "final_model.pt",
    "model_info.json",
)  # fmt: skip


def finish(run: Run, stop: Stop) -> Iterator[Event]:
    """Evaluate the best weights by ``run.select`` on the test split and write the final files; ends with RunFinished.

    Asked to leave in the middle, it ends as stopped and is repeated when the run is taken up again.
    """
    best = yield from _load_best(run)
    metrics: dict[str, float] = {}
    if run.manifest.counts()["test"]:
        tested = yield from _test(run, _plan_of(run, best), stop)
        if tested is None:
            yield RunFinished(Outcome.STOPPED, run.epochs_done, run.position.step)
            return
        metrics = tested
    else:
        yield Warned("data", "there is no test split, so the final model is not tested")
    path = run.folder / "final_model.pt"
    save(_final(run, best, metrics), path)
    yield CheckpointSaved(path, "final", run.epochs_done, run.position.step)
    write_history(run)
    yield from draw(run)
    write_model_info(run, metrics)
    evaluation = sorted((run.folder / "evaluation").glob("*"))
    files = (*(run.folder / name for name in FILES if (run.folder / name).exists()), *evaluation)
    yield RunFinished(run.outcome, run.epochs_done, run.position.step, metrics, files)


def _load_best(run: Run) -> Generator[Event, None, dict[str, Any] | None]:
    """Put the best weights into the network; the last ones where that file is gone, which is said."""
    path = run.folder / BEST_FILES[run.recipe.run.select.value]
    try:
        best = load(path)
    except (DamagedCheckpointError, OSError) as error:
        yield Warned("damaged_checkpoint", f"{error}; the weights of the last epoch are used")
        return None
    set_image_size(run.network, int(best["input"]["image_size"]))
    run.network.body.load_state_dict(best["weights"])
    return best


def _final(run: Run, best: dict[str, Any] | None, metrics: dict[str, float]) -> dict[str, Any]:
    content = best if best is not None else weights_content(run, "final", {}, averaged=False)
    return {**content, "kind": "final", "metrics": {**content["metrics"], **metrics}}


def _plan_of(run: Run, best: dict[str, Any] | None) -> StagePlan:
    """The last stage's plan, with images as the best weights saw them: they may be of an earlier stage."""
    plan = run.plans[-1]
    if best is None:
        return plan
    data = {key: best["input"][key] for key in ("image_size", "resize")}
    return plan.model_copy(update={"data": Data.model_validate({**plan.data.model_dump(), **data})})


def _test(run: Run, plan: StagePlan, stop: Stop) -> Generator[Event, None, dict[str, float] | None]:
    loader = open_loader(run, plan, "test")
    seen: Seen = []
    scorer = Scorer(run.network, run.numbers, run.device, micro_batch(run, plan))
    try:
        values = yield from score(run, scorer, loader, plain(plan.loss, run.classes), "test", stop, seen)
    finally:
        loader.close()
    if values is None:
        return None
    probabilities = torch.cat([part for part, _ in seen]).numpy()
    indices = torch.cat([part for _, part in seen]).tolist()
    write_report(run.folder / "evaluation", run.manifest, indices, probabilities, values)
    return {f"test/{name}": value for name, value in values.items()}

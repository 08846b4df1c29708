"""Going on with a finished job: more epochs for its last stage, from its last checkpoint."""

from __future__ import annotations

from db.models import State
from jobs.ledger import get_job, last_position, note, requeue
from jobs.queue import Queue, freeze
from recipes.errors import QueueError
from recipes.recipe import Recipe


def extend(queue: Queue, job_id: int, epochs: int) -> Recipe:
    """Queue job `job_id` again with `epochs` epochs in all; raises QueueError unless it succeeded with fewer.

    Only the last stage grows. Its learning rate is that of the longer schedule, so it steps up again where the old
    one had come to its end.
    """
    with queue.database.transaction() as session:
        job = get_job(session, job_id)
        if job.state != State.SUCCEEDED:
            raise QueueError(f"#{job_id} is {job.state}; only a job that succeeded can be extended")
        recipe = longer(Recipe.model_validate_json(job.recipe), epochs, job_id)
        freeze(job, recipe, job.data_hash)
        requeue(job)
        job.position = last_position(session)
        job.outcome = job.test_accuracy = job.test_f1 = None
        job.steps = 0  # of the longer schedule: known when the run has its data
        note(session, job_id, "extended", f"to {epochs} epochs", job.attempt)
    return recipe


def longer(recipe: Recipe, epochs: int, job_id: int) -> Recipe:
    """`recipe` with `epochs` in all, the stages before the last as long as they were."""
    if epochs <= recipe.total_epochs:
        raise QueueError(f"#{job_id} has {recipe.total_epochs} epochs already, not fewer than {epochs}")
    shares = [plan.epochs for plan in recipe.plan()]
    shares[-1] += epochs - recipe.total_epochs
    stages = [
        {**stage.model_dump(), "epochs": share} for stage, share in zip(recipe.stages, shares, strict=False)
    ]  # a recipe without stages has one share and no stage to give it to
    document = recipe.model_dump()
    return Recipe.model_validate({**document, "stages": stages, "run": {**document["run"], "epochs": epochs}})

"""One stage made ready: loaders, loss, optimiser and schedule, taken up again from a checkpoint where there is one."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from timm.utils import ModelEmaV3
from torch import nn

from core.events import Event, StageStarted
from core.features import FeatureLoader, HeadNetwork, can_be_kept, keep_features
from core.heads import freeze_backbone, set_training
from core.loader import Loader
from core.losses import Criterion, plain
from core.metrics import better
from core.models import Network
from core.optim import build_optimizer
from core.prepare import loader_workers
from core.run import Run, Stop, batch_size, micro_batch
from core.schedule import Plateau, Span, set_rate
from core.step import Learner
from core.weighting import class_weights, log_prior
from recipes.recipe import StagePlan
from recipes.sections import Augment, Freeze, ScheduleName


@dataclass
class Stage:
    """What lives as long as a stage."""

    plan: StagePlan
    index: int
    first_epoch: int
    span: Span
    learner: Learner
    train_loader: Loader | FeatureLoader
    val_loader: Loader
    val_criterion: Criterion
    plateau: Plateau
    eval_batch: int
    body: nn.Module
    waited: int = 0  # epochs without improvement, for early stopping
    watched: float | None = None  # the best value of what early stopping watches
    val_seconds: float = 0.0  # of the last validation, for the time left

    @property
    def frozen(self) -> bool:
        return self.plan.freeze is Freeze.BACKBONE

    def augment(self, epoch: int, total_epochs: int) -> Augment:
        """The stage's augmentation, without mixing in the last epochs of the run where the recipe says so."""
        augment = self.plan.augment
        if epoch > total_epochs - augment.mix_off_epochs:
            return augment.model_copy(update={"mixup_alpha": 0.0, "cutmix_alpha": 0.0})
        return augment

    def set_rate(self, stage_step: int) -> float:
        """Give the optimiser the learning rate of a step of this stage; returns the peak group's."""
        plan, drops = self.plan, self.plateau.drops
        return set_rate(self.learner.optimizer, plan.schedule, self.span, stage_step, plan.optim.lr, drops)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of the stage: tensors and plain data."""
        scaler = self.learner.scaler
        return {
            "optimizer": self.learner.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "plateau": [self.plateau.best, self.plateau.waited, self.plateau.drops],
            "early": [self.waited, self.watched],
            "eval_batch": self.eval_batch,
            "skipped": int(self.learner.skipped),
        }

    def started(self) -> StageStarted:
        return StageStarted(
            index=self.index,
            name=self.plan.name,
            epochs=self.plan.epochs,
            first_epoch=self.first_epoch,
            steps_per_epoch=self.span.per_epoch,
            image_size=self.plan.data.image_size,
            batch_size=batch_size(self.plan),
            micro_batch=self.learner.micro_batch,
            frozen=self.frozen,
            warmup_steps=self.span.warmup,
        )

    def begin_epoch(self) -> None:
        """Back into training mode; a frozen backbone stays in evaluation mode."""
        set_training(self.body, self.frozen)

    def close(self) -> None:
        self.train_loader.close()
        self.val_loader.close()


def open_stage(run: Run, stop: Stop) -> Generator[Event, None, Stage]:
    """The stage at the run's position. Raises ConfigurationError for what cannot be built, Interrupted when asked to
    leave meanwhile."""
    index = run.position.stage
    plan = run.plans[index]
    run.set_image_size()
    run.regularisation.apply(plan.model)
    freeze_backbone(run.network.body, plan.freeze is Freeze.BACKBONE)
    workers = loader_workers(run.recipe, run.manifest, run.device)
    kept = (yield from keep_features(run, plan, index, workers, stop)) if can_be_kept(plan) else None
    train_loader = open_loader(run, plan, "train", index) if kept is None else kept
    val_loader = open_loader(run, plan, "val", index)
    network = run.network if kept is None else HeadNetwork(run.network)
    stage = Stage(
        plan, index, run.first_epoch(index), Span.of(plan.schedule, plan.epochs, len(train_loader)),
        _learner(run, plan, network), train_loader, val_loader, plain(plan.loss, run.classes),
        Plateau(), micro_batch(run, plan), run.network.body,
    )  # fmt: skip
    if run.stage_state is not None:
        _take_up(stage, run.stage_state)
        run.stage_state = None
    return stage


def open_loader(run: Run, plan: StagePlan, split: str, stage_index: int = 0) -> Loader:
    """The loader of a split: shuffled and augmented for training, as it is for the others."""
    workers, pin = loader_workers(run.recipe, run.manifest, run.device), run.device.type == "cuda"
    return Loader(
        run.manifest, split, plan, seed=run.recipe.run.seed, train=split == "train", batch_size=batch_size(plan),
        workers=workers, pin=pin, stage_index=stage_index,
    )  # fmt: skip


def _learner(run: Run, plan: StagePlan, network: Network) -> Learner:
    weights = class_weights(plan.data, run.manifest)
    prior = log_prior(plan.data, run.manifest)
    device = run.device
    return Learner(
        network=network,
        average=_average(run, plan),
        optimizer=build_optimizer(plan.optim, run.network.body),
        criterion=Criterion(
            plan.loss,
            run.classes,
            weights.to(device) if weights is not None else None,
            prior.to(device) if prior is not None else None,
        ),
        numbers=run.numbers,
        scaler=run.numbers.scaler(device),
        device=device,
        clip_grad_norm=plan.optim.clip_grad_norm,
        micro_batch=micro_batch(run, plan),
        seed=run.recipe.run.seed,
    )


def _average(run: Run, plan: StagePlan) -> ModelEmaV3 | None:
    """The averaged weights of a stage; they begin as the trained ones where the stage before had none."""
    if run.average is None or plan.run.ema_decay == 0:
        return None
    run.average.decay = plan.run.ema_decay
    index = run.position.stage
    if run.position.stage_step == 0 and index > 0 and run.plans[index - 1].run.ema_decay == 0:
        run.average.set(run.network)
    return run.average


def _take_up(stage: Stage, state: dict[str, Any]) -> None:
    stage.learner.optimizer.load_state_dict(state["optimizer"])
    if stage.learner.scaler is not None and state["scaler"] is not None:
        stage.learner.scaler.load_state_dict(state["scaler"])
    stage.plateau = Plateau(*state["plateau"])
    stage.waited, stage.watched = state["early"]
    stage.eval_batch = state["eval_batch"]
    stage.learner.skipped.fill_(state["skipped"])


def observe(stage: Stage, loss: float) -> None:
    """Tell a plateau schedule the validation loss of an epoch."""
    if stage.plan.schedule.name is ScheduleName.PLATEAU:
        stage.plateau.observe(loss, stage.plan.schedule.plateau_patience)


def wants_to_stop(stage: Stage, metrics: dict[str, float]) -> bool:
    """Early stopping: whether the watched validation value has not improved for as long as the recipe allows.

    It watches what the best weights are chosen by: the better of the trained and the averaged ones.
    """
    early = stage.plan.run.early_stopping
    if early is None:
        return False
    _, value = better(metrics, early.metric.value)
    if stage.watched is None or value > stage.watched + early.min_delta:
        stage.watched, stage.waited = value, 0
    else:
        stage.waited += 1
    return stage.waited >= early.patience

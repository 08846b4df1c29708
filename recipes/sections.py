"""The sections of a recipe: one frozen pydantic model each; every field says what it means and its unit.

This module is the one place a field is declared. The table in docs/training.md is generated from it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Frozen; unknown keys are refused. A number is a fine name: a folder ``2024``, the job ``12``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _none_is_unset(cls, document: Any) -> Any:
        """TOML has no null: ``none`` unsets a field that may be unset (and stays a name where it is one)."""
        if not isinstance(document, dict):
            return document
        optional = {name for name, info in cls.model_fields.items() if info.default is None}
        return {key: None if value == "none" and key in optional else value for key, value in document.items()}


class Resize(StrEnum):
    """How an image of any shape becomes a square: crop its middle, pad it, or squash it."""

    CROP = "crop"
    LETTERBOX = "letterbox"
    SQUASH = "squash"


class Balance(StrEnum):
    """What to do about classes of unequal size."""

    NONE = "none"
    WEIGHTS = "weights"
    SQRT = "sqrt"
    SAMPLER = "sampler"
    LOGIT_ADJUST = "logit_adjust"


class Level(StrEnum):
    """How hard the training images are changed."""

    NONE = "none"
    LIGHT = "light"
    MEDIUM = "medium"
    STRONG = "strong"
    ULTRA_STRONG = "ultra_strong"


class Head(StrEnum):
    """The classifier on top of the backbone."""

    LINEAR = "linear"
    MLP = "mlp"


class LossName(StrEnum):
    CROSS_ENTROPY = "cross_entropy"
    FOCAL = "focal"
    BCE = "bce"
    NLL = "nll"


class ScheduleName(StrEnum):
    COSINE = "cosine"
    ONECYCLE = "onecycle"
    STEP = "step"
    MULTISTEP = "multistep"
    PLATEAU = "plateau"
    CONSTANT = "constant"


class Precision(StrEnum):
    """Number format of the forward and backward pass; `auto` takes what this device does fastest."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Metric(StrEnum):
    """What "best" means; loss counts downwards, the others upwards."""

    ACCURACY = "accuracy"
    F1 = "f1"
    LOSS = "loss"


class Freeze(StrEnum):
    NONE = "none"
    BACKBONE = "backbone"


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]


class Data(Section):
    """Which images, and how they become squares and splits."""

    source: str = Field("food-101", description="a folder, `digits`, or `food-101`")
    image_size: int = Field(224, ge=8, le=2048, description="side of the square the network sees, in pixels")
    resize: Resize = Field(Resize.CROP, description="how evaluation images become squares")
    splits: tuple[Fraction, Fraction, Fraction] = Field(
        (0.70, 0.15, 0.15),
        description="train, validation and test shares where the data has no splits; sum 1",
    )
    train_fraction: float = Field(
        1.0, gt=0.0, le=1.0, description="share of the training images used, the same share of every class"
    )
    samples: int | None = Field(
        None, ge=2, description="development mode: at most this many training images, spread over the classes"
    )
    balance: Balance = Field(Balance.NONE, description="what to do about classes of unequal size")
    class_weights: str | None = Field(None, description="CSV file with columns class,weight for the loss")
    workers: int | Literal["auto"] = Field(
        "auto", description="loader processes, 0 to 256; `auto` fits the machine; changes no result"
    )

    @model_validator(mode="after")
    def _splits_sum_to_one(self) -> Data:
        if abs(sum(self.splits) - 1.0) > 1e-6:
            raise ValueError(f"splits must sum to 1, not {sum(self.splits):g}")
        if self.splits[0] <= 0 or self.splits[1] <= 0:
            raise ValueError("the train and validation shares of splits must be above 0")
        if isinstance(self.workers, int) and not 0 <= self.workers <= 256:
            raise ValueError("workers must be between 0 and 256")
        return self


class Model(Section):
    """The network."""

    name: str = Field("efficientnet_b3", min_length=1, description="any timm model, or a short name of `clf models`")
    pretrained: bool = Field(True, description="start from published ImageNet weights")
    weights: str | None = Field(
        None, description="local weights file (.safetensors or .pt) in timm's names, instead of a download"
    )
    init_from: str | None = Field(
        None, description="start from another job's best weights: a job id, a name, or a checkpoint file"
    )
    head: Head = Field(Head.LINEAR, description="the classifier on top of the backbone")
    dropout: Rate = Field(0.0, description="dropout probability before the classifier")
    spatial_dropout: Rate = Field(0.0, description="channel dropout inside residual blocks")
    drop_path: Rate = Field(0.0, description="stochastic depth: probability of skipping a residual branch")
    grad_checkpointing: bool = Field(False, description="recompute activations: less memory, about a third slower")


class RandAugment(Section):
    """RandAugment over three groups (geometric, noise, colour); Cubuk et al. 2019, arXiv:1909.13719."""

    n: int = Field(2, ge=1, le=6, description="operations drawn per group")
    m: float = Field(9, ge=0, le=10, description="magnitude, of 10")
    p: Fraction = Field(0.3, description="probability that a group is applied")


class Augment(Section):
    """How training images are changed; evaluation images never are."""

    level: Level = Field(Level.LIGHT, description="a fixed set of random changes; see the table of levels")
    horizontal_flip: bool = Field(
        True,
        description="flip left to right with probability 0.5, at every level but none; false for letters and digits",
    )
    vertical_flip: bool = Field(False, description="also flip upside down, with probability 0.5")
    rotation: float = Field(
        0.0, ge=0.0, le=180.0, description="turn by up to so many degrees, in place of the level's; 0: the level's"
    )
    affine: bool = Field(False, description="shift, zoom and shear as level strong does, at any level")
    randaugment: RandAugment | None = Field(None, description="RandAugment {n, m, p} after the level")
    random_erasing: Fraction = Field(0.0, description="probability that a rectangle is erased")
    mixup_alpha: float = Field(0.0, ge=0.0, le=10.0, description="mixup's Beta(alpha, alpha); 0 is off")
    cutmix_alpha: float = Field(0.0, ge=0.0, le=10.0, description="cutmix's Beta(alpha, alpha); 0 is off")
    mix_probability: Fraction = Field(1.0, description="share of batches that are mixed at all")
    cutmix_share: Fraction = Field(0.5, description="share of the mixed batches that take cutmix, where both are on")
    mix_off_epochs: int = Field(0, ge=0, description="no mixing in the last so many epochs of the run")


class Loss(Section):
    """What is minimised."""

    name: LossName = Field(LossName.CROSS_ENTROPY, description="the loss")
    label_smoothing: Rate = Field(0.0, description="share of the target spread over all classes")
    focal_alpha: float = Field(0.25, gt=0.0, le=1.0, description="focal loss: factor")
    focal_gamma: float = Field(2.0, ge=0.0, le=10.0, description="focal loss: focusing exponent")
    bce_pos_weight: float = Field(1.0, gt=0.0, description="binary cross-entropy: weight of the positive class")


class Optim(Section):
    """How weights move."""

    name: str = Field("adamw", min_length=1, description="adamw, adam, sgd, or any optimiser of timm's by name")
    lr: float = Field(5e-4, gt=0.0, le=100.0, description="peak learning rate")
    weight_decay: float = Field(0.01, ge=0.0, le=10.0, description="weight decay; never on norms and biases")
    momentum: Rate = Field(0.9, description="momentum, for optimisers that have it")
    nesterov: bool = Field(True, description="sgd: Nesterov's momentum")
    layer_decay: float = Field(
        1.0, gt=0.0, le=1.0, description="learning-rate factor per layer towards the input; 1 is off"
    )
    clip_grad_norm: float = Field(1.0, ge=0.0, description="largest gradient norm; 0 is off")


class Schedule(Section):
    """The learning rate over a stage, counted in steps."""

    name: ScheduleName = Field(ScheduleName.COSINE, description="shape after the warm-up")
    warmup_epochs: float = Field(0.0, ge=0.0, description="linear warm-up at the start of the stage, in epochs")
    warmup_start_factor: float = Field(0.02, gt=0.0, le=1.0, description="first learning rate = factor x lr")
    min_lr: float = Field(1e-6, ge=0.0, description="where cosine and onecycle end, and plateau stops")
    step_epochs: float = Field(30.0, gt=0.0, description="step: epochs between drops")
    milestones: tuple[float, ...] = Field((0.5, 0.75), description="multistep: drops, as shares of the stage")
    gamma: float = Field(0.1, gt=0.0, lt=1.0, description="step, multistep, plateau: factor of a drop")
    plateau_patience: int = Field(3, ge=0, description="plateau: epochs without a better validation loss")


class EarlyStopping(Section):
    """End a run that no longer gets better."""

    metric: Metric = Field(Metric.ACCURACY, description="validation metric that is watched")
    patience: int = Field(10, ge=1, description="epochs without improvement before the run ends")
    min_delta: float = Field(0.0, ge=0.0, description="smallest change that counts as improvement")


class Run(Section):
    """How long, how big, on what."""

    epochs: int | None = Field(
        None, ge=1, le=100_000, description="epochs of all stages together; unset: the sum of the stages"
    )
    batch_size: int | Literal["auto"] = Field(32, description="images per optimiser step, 1 to 65536; `auto` measures")
    accumulation: int = Field(1, ge=1, le=4096, description="micro-batches per step; batch_size is their sum")
    precision: Precision = Field(Precision.AUTO, description="number format of the passes")
    channels_last: bool | Literal["auto"] = Field("auto", description="memory format of images and weights")
    compile: bool = Field(False, description="torch.compile the model")
    ema_decay: Rate = Field(0.0, description="decay per step of the averaged weights; 0 is off")
    early_stopping: EarlyStopping | None = Field(None, description="{metric, patience, min_delta}")
    select: Metric = Field(Metric.ACCURACY, description="what the final model is the best of")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of every random choice")
    deterministic: bool = Field(False, description="bit-for-bit repeatable on a GPU, at a cost in speed")
    checkpoint_every: float = Field(
        300.0, ge=0.0, description="seconds between checkpoints within an epoch; 0: only at an epoch's end"
    )
    max_time: float | None = Field(None, gt=0.0, description="seconds of training after which the run ends cleanly")
    stall_timeout: float = Field(
        900.0, ge=0.0, description="seconds without progress after which the attempt ends; 0 is off"
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, mps, cuda, cuda:N")

    @model_validator(mode="after")
    def _batch_divides(self) -> Run:
        if isinstance(self.batch_size, int):
            if not 1 <= self.batch_size <= 65_536:
                raise ValueError("batch_size must be between 1 and 65536")
            if self.batch_size % self.accumulation:
                raise ValueError(
                    f"batch_size {self.batch_size} cannot be split into {self.accumulation} equal micro-batches"
                )
        return self


class Memory(Section):
    """How device memory is kept small."""

    empty_cache_every: int | Literal["auto"] = Field(
        "auto",
        description="training batches between emptying the device's cache; auto: 5 on MPS, else 0 (never)",
    )
    empty_cache_every_eval: int | Literal["auto"] = Field(
        "auto", description="the same in validation; auto: 3 on MPS, else 0 (never)"
    )

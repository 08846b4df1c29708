"""The recipe itself: its sections, its stages, and how the stages share the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, ValidationError, model_validator

from recipes.errors import RecipeError, RefusedValueError, closest
from recipes.sections import (
    Augment,
    Data,
    Freeze,
    Loss,
    Memory,
    Metric,
    Model,
    Optim,
    Run,
    Schedule,
    Section,
)

SECTIONS: dict[str, type[Section]] = {
    "data": Data,
    "model": Model,
    "augment": Augment,
    "loss": Loss,
    "optim": Optim,
    "schedule": Schedule,
    "run": Run,
    "memory": Memory,
}

# What a stage may change: nothing that the whole run shares (splits, architecture, number formats, seed, device).
STAGE_FIELDS: dict[str, frozenset[str]] = {
    "data": frozenset({"image_size", "resize", "balance"}),
    "model": frozenset({"dropout", "spatial_dropout", "drop_path", "grad_checkpointing"}),
    "augment": frozenset(Augment.model_fields),
    "loss": frozenset(Loss.model_fields),
    "optim": frozenset(Optim.model_fields),
    "schedule": frozenset(Schedule.model_fields),
    "run": frozenset({"batch_size", "accumulation", "ema_decay", "early_stopping"}),
    "memory": frozenset(Memory.model_fields),
}


class Stage(Section):
    """One phase of a recipe: its share of the epochs, what is frozen, and what it overrides."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$", description="name of the stage")
    epochs: int = Field(1, ge=1, description="epochs, in proportion to the other stages'")
    freeze: Freeze = Field(Freeze.NONE, description="train everything, or the classifier alone")
    data: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any] = Field(default_factory=dict)
    augment: dict[str, Any] = Field(default_factory=dict)
    loss: dict[str, Any] = Field(default_factory=dict)
    optim: dict[str, Any] = Field(default_factory=dict)
    schedule: dict[str, Any] = Field(default_factory=dict)
    run: dict[str, Any] = Field(default_factory=dict)
    memory: dict[str, Any] = Field(default_factory=dict)


class Recipe(Section):
    """A complete description of a training run; what a job freezes when it is queued."""

    name: str = Field(min_length=1, description="name of the recipe")
    description: str = Field("", description="what it is for, in one line")
    data: Data = Data()
    model: Model = Model()
    augment: Augment = Augment()
    loss: Loss = Loss()
    optim: Optim = Optim()
    schedule: Schedule = Schedule()
    run: Run = Run()
    memory: Memory = Memory()
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _stages_fit(self) -> Recipe:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise RefusedValueError(f"stage names must differ: {', '.join(names)}", "rename one of them")
        if self.run.epochs is not None and self.run.epochs < len(self.stages):
            raise RefusedValueError(
                f"{len(self.stages)} stages need at least {len(self.stages)} epochs", "raise run.epochs (--epochs)"
            )
        for plan in self.plan():
            if plan.schedule.warmup_epochs >= plan.epochs and plan.schedule.warmup_epochs > 0 and plan.epochs > 1:
                raise RefusedValueError(
                    f"stage '{plan.name}': warmup_epochs {plan.schedule.warmup_epochs:g} leaves nothing of its "
                    f"{plan.epochs} epochs",
                    "lower schedule.warmup_epochs (--warmup-epochs), or raise run.epochs (--epochs)",
                )
        losses = {plan.loss.model_copy(update={"label_smoothing": 0.0}) for plan in self.plan()}
        if self.run.select is Metric.LOSS and len(losses) > 1:
            raise RefusedValueError(
                "run.select = loss cannot choose between stages whose validation losses differ in kind",
                "use run.select = accuracy or f1",
            )
        return self

    @property
    def total_epochs(self) -> int:
        """Epochs of all stages together."""
        if self.run.epochs is not None:
            return self.run.epochs
        return sum(stage.epochs for stage in self.stages) or 1

    def plan(self) -> tuple[StagePlan, ...]:
        """The stages with their share of the epochs and every section filled in."""
        stages = self.stages or (Stage(name="train"),)
        shares = share_epochs([stage.epochs for stage in stages], self.total_epochs)
        return tuple(_plan(self, stage, epochs) for stage, epochs in zip(stages, shares, strict=True))


class StagePlan(Section):
    """A stage ready to run: whole sections, final number of epochs."""

    name: str
    epochs: int
    freeze: Freeze
    data: Data
    model: Model
    augment: Augment
    loss: Loss
    optim: Optim
    schedule: Schedule
    run: Run
    memory: Memory


def share_epochs(weights: list[int], total: int) -> list[int]:
    """`total` epochs in proportion to `weights` by the largest remainder, at least one each."""
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    shares = [max(1, int(value)) for value in exact]
    while sum(shares) < total:
        shares[max(range(len(shares)), key=lambda i: exact[i] - shares[i])] += 1
    while sum(shares) > total:
        able = [i for i in range(len(shares)) if shares[i] > 1]
        shares[min(able, key=lambda i: exact[i] - shares[i])] -= 1
    return shares


def _plan(recipe: Recipe, stage: Stage, epochs: int) -> StagePlan:
    sections: dict[str, Section] = {}
    for section, allowed in STAGE_FIELDS.items():
        base: Section = getattr(recipe, section)
        changes: dict[str, Any] = getattr(stage, section)
        for key in changes:
            if key not in allowed:
                known = closest(key, allowed)
                reason = known if key not in type(base).model_fields else "it belongs to the whole run"
                raise ValueError(f"stages.{stage.name}.{section}.{key} cannot be set in a stage; {reason}".rstrip("; "))
        sections[section] = type(base).model_validate({**base.model_dump(), **changes}) if changes else base
    return StagePlan(name=stage.name, epochs=epochs, freeze=stage.freeze, **sections)


def validate(document: dict[str, Any], where: str) -> Recipe:
    """Build a Recipe from a merged TOML document; RecipeError names `where`, the key, and the closest valid one."""
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise RecipeError(*_explain(error, where, document)) from error


EXPECTED = {  # where pydantic's own words would show its insides
    "run.device": "expected auto, cpu, cuda, cuda:N or mps",
    "data.splits": "expected three shares that sum to 1, such as [0.7, 0.15, 0.15]",
}
KINDS = {"int": "a whole number", "bool": "true, false"}


def _explain(error: ValidationError, where: str, document: dict[str, Any]) -> tuple[str, str]:
    found = error.errors(include_url=False)
    first = found[0]
    parts = _parts(first["loc"], document)
    path = ".".join(parts)
    if first["type"] == "extra_forbidden":
        *sections, key = [str(part) for part in first["loc"]]
        hint = _in_a_section(sections, key) or closest(key, _known_keys(sections)) or _listing(sections)
        return f"{where}: unknown key '{path}'", hint
    message, hint = first["msg"].removeprefix("Value error, "), ""
    if isinstance(refused := first.get("ctx", {}).get("error"), RefusedValueError):
        hint = refused.hint
    field = ".".join(parts[:2])
    if field in EXPECTED:
        path, message = field, EXPECTED[field]
    elif first["type"] == "string_type":
        message = "expected text"
    elif first["type"] in ("model_type", "dict_type") and path:
        message, hint = "expected a section", f"set its fields, as {path}.KEY = VALUE"
    elif (kind := KINDS.get(path.rpartition(".")[2])) and len(found) > 1 and found[1]["type"] == "literal_error":
        path, message = path.rpartition(".")[0], f"expected {kind} or {found[1]['ctx']['expected']}"
    message = message[:1].lower() + message[1:]
    given = first["input"]
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool) and repr(given) not in message else ""
    return f"{where}: {path + ': ' if path else ''}{message}{shown}", hint


def _parts(location: Sequence[int | str], document: dict[str, Any]) -> list[str]:
    """A field's path as one writes it: a stage by its name, where it has one."""
    parts = [str(part) for part in location]
    if len(location) > 1 and location[0] == "stages" and isinstance(location[1], int):
        stage = document["stages"][location[1]]
        parts[1] = str(stage.get("name", parts[1])) if isinstance(stage, dict) else parts[1]
    return parts


def _in_a_section(sections: list[str], key: str) -> str:
    """Where `key` stands, for one that was given outside its section."""
    if sections and sections[0] in SECTIONS:
        return ""
    places = [f"'{name}.{key}'" for name, section in SECTIONS.items() if key in section.model_fields]
    return f"did you mean {' or '.join(places)}?" if places else ""


def _known_keys(sections: list[str]) -> list[str]:
    model: type[Section] = Recipe
    for name in sections:
        if name in SECTIONS:
            model = SECTIONS[name]
        elif name == "stages":
            model = Stage
    keys = list(model.model_fields)
    return [*keys, "extends"] if model is Recipe else keys


def _listing(sections: list[str]) -> str:
    return f"known keys: {', '.join(_known_keys(sections))}"

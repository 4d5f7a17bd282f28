"""Study configurations: ``config/<study>.yaml``, checked key by key before anything else happens.

A study has ``defaults``, ``experiments`` (training), ``initialization`` (nets measured before
training) and ``phase_diagrams`` (critical learning rates). Every setting may stand in the defaults,
in an experiment, or in one of an experiment's ``grids``; the innermost one counts. What the keys
mean is documented in ``config/README.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from nup.errors import UserError
from nup.specs import DataSpec
from nup.training.costs import GFLOPS


def _as_list(value: Any) -> Any:
    """A single value stands for a list of one."""
    return value if isinstance(value, list) else [value]


def _only(values: Any, allowed: Sequence[str]) -> Any:
    """``values``, if it is a mapping with no keys but the ``allowed`` ones."""
    if not isinstance(values, Mapping):
        raise ValueError(f"expected a mapping with keys among {', '.join(allowed)}")
    if unknown := [str(key) for key in values if key not in allowed]:
        raise ValueError(
            f"got unknown key {', '.join(map(repr, unknown))}; expected one of {', '.join(allowed)}"
        )
    return values


def _seeds(value: Any) -> Any:
    """A count n stands for the seeds 0 … n−1."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError(f"expected a list of seeds, or how many (at least 1); got {value}")
        return list(range(value))
    return value


def _learning_rates(value: Any) -> Any:
    """Rates as given, or ``{log2: {from, to, per_octave}}``: evenly spaced powers of 2."""
    if not isinstance(value, Mapping):
        return _as_list(value)
    if list(value) != ["log2"]:
        raise ValueError("expected rates, or {log2: {from: -6, to: 2, per_octave: 2}}")
    octaves = Octaves.model_validate(value["log2"])
    first = math.ceil(octaves.start * octaves.per_octave)
    last = math.floor(octaves.to * octaves.per_octave)
    # 12 significant digits: the same rates, and so the same run ids, whatever the platform's pow.
    return [float(f"{2 ** (i / octaves.per_octave):.12g}") for i in range(first, last + 1)]


def _data(value: Any) -> Any:
    """Data sets, each a name or a mapping of the fields of ``DataSpec``."""
    allowed = [field.name for field in fields(DataSpec)]
    entries = [{"name": item} if isinstance(item, str) else item for item in _as_list(value)]
    return [_only(entry, allowed) for entry in entries]


def _activations(value: Any) -> Any:
    """Activations, each a name or a pair [a, b]."""
    items = [value] if isinstance(value, str) else value
    return [f"({','.join(map(str, item))})" if isinstance(item, list) else item for item in items]


class Strict(BaseModel):
    """A mapping that refuses unknown keys and names the allowed ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        aliases = [field.alias or name for name, field in cls.model_fields.items()]
        return values if isinstance(values, cls) else _only(values, aliases)


class Octaves(Strict):
    """Learning rates 2^from … 2^to in steps of 1/per_octave octaves."""

    start: float = Field(alias="from")
    to: float
    per_octave: PositiveInt = 1

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.to < self.start:
            raise ValueError(f"expected from ≤ to, got from {self.start:g} to {self.to:g}")
        return self


AsList = BeforeValidator(_as_list)
Nonempty = Field(min_length=1)
Counts = Annotated[list[PositiveInt], AsList, Nonempty]
Rates = Annotated[list[PositiveFloat], BeforeValidator(_learning_rates), Nonempty]


class Named(BaseModel):
    """A name, or a mapping with ``name``: keys that are no fields are options of what it names.

    An option given as a list is an axis of the grid.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect_options(cls, values: Any) -> Any:
        if isinstance(values, str):
            return {"name": values}
        if not isinstance(values, Mapping) or "name" not in values:
            raise ValueError("expected a name, or a mapping with the key 'name' and options")
        given = {key: value for key, value in values.items() if key in cls.model_fields}
        loose = {key: value for key, value in values.items() if key not in cls.model_fields}
        return {**given, "options": {**given.get("options", {}), **loose}}


class ParameterizationEntry(Named):
    """A parameterization, in a width of its own where it is to ``match`` another's size."""

    match: Annotated[list[Named | None], AsList, Nonempty] = [None]
    learning_rate: Rates | None = None


class ScheduleEntry(Named):
    """A schedule, alone or combined with a ``gradient_scaling``."""

    gradient_scaling: Annotated[list[str], AsList, Nonempty] = ["none"]
    learning_rate: Rates | None = None


class OptimizerEntry(Named):
    """An optimizer, with learning rates of its own where they are not those of the grid."""

    learning_rate: Rates | None = None


class Record(Strict):
    """Cadences of ``nup.specs.specification.RecordSpec``, in steps; None: not set here."""

    steps: Annotated[int, Field(ge=0)] | None = None
    curvature: Annotated[int, Field(ge=0)] | None = None
    taylor: Annotated[int, Field(ge=0)] | None = None
    layers: Annotated[int, Field(ge=0)] | None = None
    probe: Annotated[int, Field(ge=0)] | None = None
    features: Annotated[int, Field(ge=0)] | None = None
    hessian: Annotated[int, Field(ge=0)] | None = None
    accuracy: Annotated[int, Field(ge=0)] | None = None


class Shapes(Strict):
    """The nets of an experiment or an ``initialization`` entry; None: not set here."""

    data: Annotated[list[DataSpec], BeforeValidator(_data), Nonempty] | None = None
    parameterization: Annotated[list[ParameterizationEntry], AsList, Nonempty] | None = None
    depth: Counts | None = None
    width: Counts | None = None
    activation: Annotated[list[str], BeforeValidator(_activations), Nonempty] | None = None
    weight_variance: Annotated[list[PositiveFloat], AsList, Nonempty] | None = None
    seeds: (
        Annotated[list[Annotated[int, Field(ge=0)]], BeforeValidator(_seeds), Nonempty] | None
    ) = None


class Initialization(Shapes):
    """An ``initialization`` entry; ``kernel`` has the neural tangent kernels measured as well."""

    kernel: bool = False


class CriticalRates(Strict):
    """Values of c = η λ_0 looked at: 2^from … 2^to, ``per_octave`` of them an octave."""

    start: float = Field(alias="from", default=-1.0)
    to: float = 6.0
    per_octave: PositiveInt = 2

    @model_validator(mode="after")
    def _several(self) -> Self:
        if (self.to - self.start) * self.per_octave < 1:
            raise ValueError(
                f"expected from and to at least 1/per_octave apart, got from {self.start:g} "
                f"to {self.to:g} with per_octave {self.per_octave}"
            )
        return self


class PhaseDiagram(Shapes):
    """A ``phase_diagrams`` entry: which nets, how long their runs, and where lines are sought."""

    steps: PositiveInt = 64
    early: PositiveInt = 4
    sharpness: Literal["hessian", "gauss_newton"] = "hessian"
    log2_c: CriticalRates = CriticalRates.model_validate({})
    resolution: PositiveInt = 8
    loss: Literal["mse", "cross_entropy"] | None = None
    dtype: Literal["float32", "float64"] | None = None


class Settings(Shapes):
    """The runs of an experiment, or of one of its grids; None: not set here."""

    schedule: Annotated[list[ScheduleEntry], AsList, Nonempty] | None = None
    optimizer: Annotated[list[OptimizerEntry], AsList, Nonempty] | None = None
    learning_rate: Rates | None = None
    steps: PositiveInt | None = None
    loss: Literal["mse", "cross_entropy"] | None = None
    batch_size: PositiveInt | None = None
    dtype: Literal["float32", "float64"] | None = None
    record: Record | None = None


class Experiment(Settings):
    """An experiment: one grid, or several that share its name and settings."""

    grids: list[Settings] = []


class Jobs(Strict):
    """How runs are packed into jobs: cost of one, and what the machine does."""

    minutes: PositiveFloat = 1.0
    gflops: PositiveFloat = GFLOPS
    threads: PositiveInt = 1
    gpus: Annotated[int, Field(ge=0, le=1)] = 0
    memory_mb: PositiveFloat | None = None


class Study(Strict):
    """A whole study configuration."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    jobs: Jobs = Jobs()
    defaults: Settings = Settings()
    experiments: dict[str, Experiment] = {}
    initialization: dict[str, Initialization] = {}
    phase_diagrams: dict[str, PhaseDiagram] = {}


AnySettings = TypeVar("AnySettings", bound=Shapes)


def merged(model: type[AnySettings], *layers: Shapes) -> AnySettings:
    """The settings of ``layers`` as one ``model``; later layers win, ``record`` key by key."""
    values: dict[str, Any] = {}
    for layer in layers:
        for key in layer.model_fields_set & set(model.model_fields):
            value = getattr(layer, key)
            if isinstance(value, Record) and isinstance(values.get(key), Record):
                value = values[key].model_copy(update=value.model_dump(exclude_unset=True))
            values[key] = value
    return model.model_construct(**values)


def find(study: str, folder: str | Path = "config") -> Path:
    """The file of a study given by name (``laptop``) or by path (``my/own.yaml``)."""
    path = Path(study)
    if path.suffix not in (".yaml", ".yml"):
        path = Path(folder) / f"{study}.yaml"
    if not path.is_file():
        files = sorted(file.stem for file in Path(folder).glob("*.yaml"))
        known = [stem for stem in files if stem not in ("claims", "readings")]
        raise UserError(
            f"study {study!r}: no file {path}; expected one of {', '.join(known) or '(none)'} "
            "or the path of a .yaml file"
        )
    return path


def load(path: str | Path) -> Study:
    """Read and check a study configuration.

    Raises:
        UserError: naming the file and, for each mistake, the key, what was got and what is allowed.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise UserError(explain(path, error)) from error


def explain(path: str | Path, error: ValidationError) -> str:
    """One line a mistake: the key's path, what is wrong, what was got."""
    lines = []
    for mistake in error.errors():
        key = ".".join(str(part) for part in mistake["loc"]) or "(top level)"
        message = mistake["msg"].removeprefix("Value error, ")
        got = "" if "got" in message else f" (got {_shortened(mistake['input'])})"
        lines.append(f"  {key}: {message}{got}")
    return f"{path}: {len(lines)} mistake(s) in the configuration\n" + "\n".join(lines)


def _shortened(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"

"""Values of study configurations: short forms, spelled out when read, and strict mappings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from reprlib import Repr
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
    model_validator,
)

from nup.specs import DataSpec
from nup.study.bounds import MOST_SEEDS
from nup.study.fields import (
    Cadence,
    Depth,
    EntryName,
    Log2,
    Options,
    PerOctave,
    Positive,
    Samples,
    Seed,
    Trials,
    Width,
)
from nup.training.observables import OBSERVABLES

#: Keys of a data set, which are fields of ``DataSpec``; the other fields follow from these.
DATA_KEYS = {
    "name": "name in the registry",
    "n_train": "training samples",
    "n_validation": "validation samples",
    "n_test": "test samples",
    "n_probe": "samples of the probe set",
    "seed": "seed of the split, and of the draw if the set is synthetic; `run`: that of each run",
    "options": "options of the set",
}
#: So many mistakes or unknown keys are named.
MOST_SHOWN = 20
#: The seed of a data set that every run draws by its own seed.
BY_RUN = "run"


@dataclass(frozen=True)
class StudyData(DataSpec):
    """A data set of a study; ``by_run``: split and draw follow the seed of each run."""

    # The fields of ``DataSpec``, within their bounds.
    name: EntryName
    n_train: Samples = DataSpec.n_train
    n_validation: Samples = DataSpec.n_validation
    n_test: Samples = DataSpec.n_test
    n_probe: Samples = DataSpec.n_probe
    seed: Seed = DataSpec.seed
    options: Options = field(default_factory=dict)
    by_run: bool = False

    def drawn_by(self, seed: int) -> DataSpec:
        """The data set of a run with this seed."""
        values = {each.name: getattr(self, each.name) for each in fields(DataSpec)}
        return DataSpec(**{**values, "seed": seed} if self.by_run else values)


class EdgeRate(float):
    """A learning rate in units of the edge: c = η λ_0."""


class EdgeTrial(float):
    """A rate in units of the edge that follows from how runs at the ``EdgeRate`` beside it end."""


def mistakes(error: ValidationError) -> list[tuple[str, str]]:
    """The key of each mistake, empty at the top; what was expected there and what was got."""
    found = []
    for mistake in error.errors(include_url=False):
        message = mistake["msg"].removeprefix("Value error, ")
        got = "" if "got" in message else f" (got {shortened(mistake['input'])})"
        key = ".".join(
            part if len(part) <= 80 else f"{part[:79]}…" for part in map(str, mistake["loc"])
        )
        found.append((key, message + got))
    return found


def shortened(value: Any, limit: int = 80) -> str:
    """A value in a message."""
    brief = Repr()
    brief.maxlevel, brief.maxstring, brief.maxother, brief.maxlong = 4, limit, limit, limit
    text = brief.repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _as_list(value: Any) -> Any:
    """A single value stands for a list of one."""
    return value if isinstance(value, list) else [value]


def _only(values: Any, allowed: Sequence[str]) -> Any:
    """``values``, if it is a mapping with no keys but the ``allowed`` ones."""
    if not isinstance(values, Mapping):
        raise ValueError(f"expected a mapping with keys among {', '.join(allowed)}")
    if unknown := [str(key) for key in values if key not in allowed]:
        got = ", ".join(shortened(key) for key in unknown[:MOST_SHOWN])
        more = f" and {len(unknown) - MOST_SHOWN} more" if len(unknown) > MOST_SHOWN else ""
        raise ValueError(f"got unknown key {got}{more}; expected one of {', '.join(allowed)}")
    return values


def _seeds(value: Any) -> Any:
    """A count n stands for the seeds 0 … n−1."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError(
                "expected a list of seeds, or how many (at least 1); got " + shortened(value)
            )
        if value > MOST_SEEDS:
            raise ValueError(
                f"expected how many seeds (at most {MOST_SEEDS}) or a list; got {shortened(value)}"
            )
        return list(range(value))
    return value


def _learning_rates(value: Any, numbers: Callable[[Any], list[float]]) -> list[float]:
    """Rates η as given or ``{log2: …}``; or c = η λ_0, as ``{edge: …}`` with c or octaves of c."""
    if not isinstance(value, Mapping):
        return numbers(_as_list(value))
    if list(value) == ["log2"]:
        return numbers(_powers(_octaves(Octaves, value["log2"], "log2"), "log2"))
    if list(value) == ["edge"]:
        c = value["edge"]
        if not isinstance(c, Mapping):
            return [EdgeRate(each) for each in numbers(_as_list(c))]
        octaves = _octaves(EdgeOctaves, c, "edge")
        rates: list[float] = [EdgeRate(each) for each in numbers(_powers(octaves, "edge"))]
        return rates + [EdgeTrial(number) for number in range(1, octaves.trials + 1)]
    raise ValueError(
        "expected rates, {log2: {from: -6, to: 2, per_octave: 2}}, or rates in units of the edge: "
        "{edge: [0.5, 1, 2]}, {edge: {from: -2, to: 2, per_octave: 2}}"
    )


def _octaves(model: type[Model], value: Any, key: str) -> Model:
    """The mapping that stands at ``key``."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = [".".join(filter(None, (key, at))) + f": {text}" for at, text in mistakes(error)]
        raise ValueError("; ".join(found)) from error


def _powers(octaves: Octaves, key: str) -> list[float]:
    """Evenly spaced powers of 2 of what stands at ``key``."""
    first = math.ceil(octaves.start * octaves.per_octave)
    last = math.floor(octaves.to * octaves.per_octave)
    if first > last:
        raise ValueError(
            f"{key}: expected a multiple of 1/{octaves.per_octave} between from and to, got none "
            f"from {octaves.start:g} to {octaves.to:g}; widen them, or raise per_octave"
        )
    # 12 significant digits: the same rates, and so the same run ids, whatever the platform's pow.
    return [float(f"{2 ** (i / octaves.per_octave):.12g}") for i in range(first, last + 1)]


def _data(value: Any) -> Any:
    """Data sets, each a name or a mapping of the fields of ``DataSpec``; ``seed`` may be `run`."""
    entries = [{"name": item} if isinstance(item, str) else item for item in _as_list(value)]
    return [item if isinstance(item, StudyData) else _data_set(item) for item in entries]


def _data_set(value: Any) -> dict[str, Any]:
    values = dict(_only(value, list(DATA_KEYS)))
    if values.get("seed") == BY_RUN:
        values |= {"seed": 0, "by_run": True}
    return values


def _activations(value: Any) -> Any:
    """Activations, each a name or a pair [a, b]."""
    items = value if isinstance(value, list) else [value]
    return [f"({','.join(map(str, item))})" if isinstance(item, list) else item for item in items]


def _record(value: Any) -> Any:
    """Cadences of observables."""
    return _only(value, list(OBSERVABLES))


class Strict(BaseModel):
    """A mapping that refuses unknown keys and names the allowed ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        aliases = [field.alias or name for name, field in cls.model_fields.items()]
        return values if isinstance(values, cls) else _only(values, aliases)


class Octaves(Strict):
    """Learning rates: 2^from … 2^to in steps of 1/per_octave octaves."""

    start: Log2 = Field(alias="from", description="log2 of the least rate")
    to: Log2 = Field(description="log2 of the largest rate")
    per_octave: PerOctave = Field(default=1, description="rates an octave")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.to < self.start:
            raise ValueError(f"expected from ≤ to, got from {self.start:g} to {self.to:g}")
        return self


class EdgeOctaves(Octaves):
    """Values of c = η λ_0 as ``Octaves``, and further ones where each seed ceases to be stable."""

    trials: Trials = Field(
        default=0,
        description="further runs of every seed, one after another: each halves the interval in "
        "which the seed's runs cease to be stable, or goes an octave beyond them if none does",
    )


Model = TypeVar("Model", bound=BaseModel)

AsList = BeforeValidator(_as_list)
Nonempty = Field(min_length=1)
Depths = Annotated[list[Depth], AsList, Nonempty]
Widths = Annotated[list[Width], AsList, Nonempty]
Variances = Annotated[list[Positive], AsList, Nonempty]
Rates = Annotated[list[Positive], Nonempty, WrapValidator(_learning_rates)]
Seeds = Annotated[list[Seed], BeforeValidator(_seeds), Nonempty]
Data = Annotated[list[StudyData], BeforeValidator(_data), Nonempty]
Activations = Annotated[list[str], BeforeValidator(_activations), Nonempty]
Record = Annotated[dict[str, Cadence], BeforeValidator(_record)]


class Named(BaseModel):
    """A name, or a mapping with ``name``: keys that are no fields are options of what it names.

    An option given as a list is an axis of the grid.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: EntryName = Field(description="name in the registry")
    options: Options = Field(default={}, description="its options; they may also stand beside it")

    @model_validator(mode="before")
    @classmethod
    def _collect_options(cls, values: Any) -> Any:
        if isinstance(values, cls):
            return values
        if isinstance(values, str):
            return {"name": values}
        if not isinstance(values, Mapping) or "name" not in values:
            raise ValueError("expected a name, or a mapping with the key 'name' and options")
        given = {key: value for key, value in values.items() if key in cls.model_fields}
        loose = {key: value for key, value in values.items() if key not in cls.model_fields}
        options = given.get("options", {})
        # What is no mapping is refused by its own type.
        return {**given, "options": {**options, **loose} if isinstance(options, dict) else options}

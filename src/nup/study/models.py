"""The models of a study: every key of ``config/<study>.yaml`` with its type, default and meaning.

A study has ``defaults``, ``experiments`` (training), ``initialization`` (nets measured before
training) and ``phase_diagrams`` (critical learning rates). Every setting may stand in the defaults,
in an experiment, or in one of an experiment's ``grids``; the innermost one counts. The table of
keys in ``config/README.md`` is generated from these models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from nup.study.fields import (
    Flag,
    Gflops,
    Gpus,
    Limit,
    Log2,
    Megabytes,
    Minutes,
    Name,
    PerOctave,
    Samples,
    Steps,
    StudyName,
    Threads,
)
from nup.study.values import (
    Activations,
    AsList,
    Data,
    Depths,
    Named,
    Nonempty,
    Rates,
    Record,
    Seeds,
    Strict,
    Variances,
    Widths,
)
from nup.training.costs import GFLOPS

Loss = Literal["mse", "cross_entropy"]
Dtype = Literal["float32", "float64"]

_OWN_RATES = "learning rates of its own, in place of those of the grid"


class ParameterizationEntry(Named):
    """A parameterization, at a width of its own where it is to match another's size."""

    match: Annotated[list[Named | None], AsList, Nonempty] = Field(
        default=[None],
        description="parameterizations whose number of parameters the width is chosen to match; "
        "`null` is the base width itself; an axis",
    )
    learning_rate: Rates | None = Field(default=None, description=_OWN_RATES)


class ScheduleEntry(Named):
    """A schedule, alone or combined with a gradient scaling."""

    gradient_scaling: Annotated[list[Named], AsList, Nonempty] = Field(
        default=[Named(name="none")],
        description="name of a gradient scaling, or `{name, …options}`; an axis",
    )
    learning_rate: Rates | None = Field(default=None, description=_OWN_RATES)


class OptimizerEntry(Named):
    """An optimizer, with learning rates of its own where they are not those of the grid."""

    learning_rate: Rates | None = Field(default=None, description=_OWN_RATES)


class Shapes(Strict):
    """The nets of an experiment, an ``initialization`` entry or a phase diagram."""

    data: Data | None = Field(
        default=None,
        description="name, or `{name, n_train, n_validation, n_test, n_probe, seed, options}`; "
        "an axis",
    )
    parameterization: Annotated[list[ParameterizationEntry], AsList, Nonempty] | None = Field(
        default=None, description="name, or `{name, match, learning_rate, …options}`; an axis"
    )
    depth: Depths | None = Field(default=None, description="numbers of weight matrices; an axis")
    width: Widths | None = Field(default=None, description="base widths; an axis")
    activation: Activations | None = Field(
        default=None, description="`abs`, `relu`, `linear`, or pairs `[a, b]`; an axis"
    )
    weight_variance: Variances | None = Field(
        default=None, description="σ²; 1 is the edge of chaos; an axis"
    )
    seeds: Seeds | None = Field(default=None, description="how many (0 … n−1), or a list; an axis")


class Initialization(Shapes):
    """Nets measured before training."""

    kernel: Literal["", "net", "limit"] = Field(
        default="",
        description="`net`: measure neural tangent kernels as well (plain nets at σ² = 1); `limit`:"
        " those of infinite width alone, of nets too large to be drawn",
    )


class CriticalRates(Strict):
    """Values of c = η λ_0 looked at: 2^from … 2^to, ``per_octave`` of them an octave."""

    start: Log2 = Field(default=-1.0, alias="from", description="log2 of the least c")
    to: Log2 = Field(default=6.0, description="log2 of the largest c")
    per_octave: PerOctave = Field(default=2, description="values of c an octave")

    @model_validator(mode="after")
    def _several(self) -> Self:
        if (self.to - self.start) * self.per_octave < 1:
            raise ValueError(
                f"expected from and to at least 1/per_octave apart, got from {self.start:g} "
                f"to {self.to:g} with per_octave {self.per_octave}"
            )
        return self


class PhaseDiagram(Shapes):
    """Nets whose critical learning rates are sought, full batch and at constant rates."""

    steps: Steps = Field(
        default=64, description="length of the runs that tell catapult and divergence"
    )
    early: Steps = Field(
        default=4, description="first steps in which loss and sharpness rise or do not"
    )
    sharpness: Literal["hessian", "gauss_newton"] = Field(
        default="hessian",
        description="`hessian` or `gauss_newton`, which is several times cheaper for large nets",
    )
    log2_c: CriticalRates = Field(
        default=CriticalRates.model_validate({}), description="`{from, to, per_octave}` of the scan"
    )
    resolution: PerOctave = Field(
        default=8,
        description="values an octave to which lines are bisected, a multiple of `per_octave`",
    )
    loss: Loss | None = Field(default=None, description="as of an experiment")
    dtype: Dtype | None = Field(default=None, description="as of an experiment")


class Settings(Shapes):
    """The runs of an experiment, or of one of its grids."""

    schedule: Annotated[list[ScheduleEntry], AsList, Nonempty] | None = Field(
        default=None,
        description="name, or `{name, gradient_scaling, learning_rate, …options}`; an axis",
    )
    optimizer: Annotated[list[OptimizerEntry], AsList, Nonempty] | None = Field(
        default=None, description="name, or `{name, learning_rate, …options}`; an axis"
    )
    learning_rate: Rates | None = Field(
        default=None,
        description="rates η, or `{log2: {from: -6, to: 2, per_octave: 2}}`; or in units of the "
        "edge, c = η λ_0: `{edge: [0.5, 1, 2]}`, `{edge: {from: -2, to: 2, per_octave: 2}}`; "
        "an axis",
    )
    steps: Steps | None = Field(default=None, description="length of a run")
    loss: Loss | None = Field(default=None, description="`mse` or `cross_entropy`")
    batch_size: Samples | None = Field(
        default=None, description="samples a step; left out: full batch"
    )
    dtype: Dtype | None = Field(default=None, description="`float32` or `float64`")
    record: Record | None = Field(
        default=None,
        description="`{observable: cadence}`, every how many steps to record what; 0 is never; "
        "merged key by key",
    )


class Experiment(Settings):
    """An experiment: one grid, or several that share its name and settings."""

    grids: list[Settings] = Field(
        default=[], min_length=1, description="several sets of settings under one name"
    )


class Jobs(Strict):
    """How runs are packed into jobs, and how a job trains them."""

    minutes: Minutes = Field(default=1.0, description="what a job should take")
    gflops: Gflops = Field(default=GFLOPS, description="what a core delivers in matrix products")
    threads: Threads = Field(default=1, description="threads of a job")
    gpus: Gpus = Field(default=0, description="GPUs of a job, 0 or 1")
    memory_mb: Megabytes | None = Field(
        default=None, description="megabytes that a job may hold; left out: no limit"
    )
    compiled: Flag = Field(
        default=True,
        description="let compiled kernels take the steps that they know; `false`: torch takes all",
    )


class StudyLimits(Strict):
    """What a study may ask for; a plan beyond it is refused before it is made."""

    runs: Limit = Field(
        default=200_000,
        description="most runs, most nets at initialization, and most values of c in phase "
        "diagrams; planning so many takes a minute",
    )
    weights: Limit = Field(
        default=1_000_000_000,
        description="most weights of a net that is drawn; training holds several numbers for each",
    )


class Study(Strict):
    """A study: which runs to train, which nets to measure, how to pack all that into jobs."""

    study: StudyName = Field(description="name; results go to `results/<study>/`")
    plugins: list[str] = Field(
        default=[],
        description="files of Python that register entries, relative to the study's file",
    )
    jobs: Jobs = Field(default=Jobs(), description="how work is packed into jobs")
    limits: StudyLimits = Field(
        default=StudyLimits(), description="how much the study may ask for; raise it if you mean it"
    )
    defaults: Settings = Field(default=Settings(), description="settings of all that follows")
    experiments: dict[Name, Experiment] = Field(default={}, description="runs to train, by name")
    initialization: dict[Name, Initialization] = Field(
        default={}, description="nets to measure before training, by name"
    )
    phase_diagrams: dict[Name, PhaseDiagram] = Field(
        default={}, description="nets whose critical learning rates to find, by name"
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not (self.experiments or self.initialization or self.phase_diagrams):
            raise ValueError(
                "expected at least one entry of experiments, initialization or phase_diagrams, "
                "got none; there is nothing to compute"
            )
        return self


#: What counts where neither the study's defaults nor an experiment say otherwise.
DEFAULTS = Settings.model_validate(
    {
        "activation": "abs",
        "weight_variance": 1.0,
        "seeds": [0],
        "schedule": "constant",
        "optimizer": "sgd",
        "loss": "mse",
        "dtype": "float32",
    }
)

AnySettings = TypeVar("AnySettings", bound=Shapes)


def merged(model: type[AnySettings], *layers: Shapes) -> AnySettings:
    """``DEFAULTS`` and the settings of ``layers`` as one ``model``.

    Later layers win, ``record`` key by key.
    """
    values: dict[str, Any] = {}
    for layer in (DEFAULTS, *layers):
        for key in layer.model_fields_set & set(model.model_fields):
            value = getattr(layer, key)
            if key == "record" and value is not None:
                value = {**(values.get(key) or {}), **value}
            values[key] = value
    return model.model_construct(**values)

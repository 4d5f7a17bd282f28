"""The keys of a study as Markdown, from the models that check them and from the registries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from pydantic import BaseModel

from nup.data.sources import SOURCES
from nup.networks.parameterization import PARAMETERIZATIONS
from nup.registry import Registry
from nup.specs import DataSpec
from nup.study.models import (
    DEFAULTS,
    CriticalRates,
    Initialization,
    Jobs,
    OptimizerEntry,
    ParameterizationEntry,
    PhaseDiagram,
    ScheduleEntry,
    Settings,
    Shapes,
    Study,
    StudyLimits,
)
from nup.study.values import DATA_KEYS, EdgeOctaves, Octaves
from nup.training.observables import OBSERVABLES
from nup.training.optimizers import OPTIMIZERS
from nup.training.scalings import SCALINGS
from nup.training.schedules import SCHEDULES

#: Model, how its section is called, and the model whose keys it shares.
SECTIONS: tuple[tuple[type[BaseModel], str, type[BaseModel] | None], ...] = (
    (Study, "A study", None),
    (Settings, "Settings: `defaults`, an entry of `experiments`, one of its `grids`", None),
    (ParameterizationEntry, "An entry of `parameterization`", None),
    (ScheduleEntry, "An entry of `schedule`", None),
    (OptimizerEntry, "An entry of `optimizer`", None),
    (Octaves, "`learning_rate: {log2: …}` or `{edge: …}`", None),
    (EdgeOctaves, "`learning_rate: {edge: …}` alone", Octaves),
    (Initialization, "An entry of `initialization`, beside settings of nets", Shapes),
    (PhaseDiagram, "An entry of `phase_diagrams`, beside settings of nets", Shapes),
    (CriticalRates, "`log2_c` of a phase diagram", None),
    (Jobs, "`jobs`", None),
    (StudyLimits, "`limits`", None),
)

#: Registries of the names in a study, and the keys where they stand.
NAMES: tuple[tuple[str, Registry[Any]], ...] = (
    ("parameterization", PARAMETERIZATIONS),
    ("schedule", SCHEDULES),
    ("gradient_scaling", SCALINGS),
    ("optimizer", OPTIMIZERS),
    ("data", SOURCES),
)


def configuration() -> str:
    """Markdown of all keys with their defaults and meanings, and of the names they may have."""
    sections = [_section(title, _keys(model, shared)) for model, title, shared in SECTIONS]
    sections.insert(2, _section("An entry of `data`", _data_keys()))
    sections.insert(8, _section("`record`: observables", _observables()))
    sections += [_names(key, registry) for key, registry in NAMES]
    return "\n".join(sections)


def _section(title: str, rows: Iterable[tuple[str, Any, str]]) -> str:
    lines = [f"### {title}", "", "| key | default | meaning |", "|---|---|---|"]
    lines += [f"| `{key}` | {_shown(default)} | {_cell(text)} |" for key, default, text in rows]
    return "\n".join(lines) + "\n"


def _keys(model: type[BaseModel], shared: type[BaseModel] | None) -> Iterable[tuple[str, Any, str]]:
    for name, field in model.model_fields.items():
        if shared is not None and name in shared.model_fields:
            continue
        default = None if field.is_required() else field.default
        if issubclass(model, Shapes) and default is None:
            default = getattr(DEFAULTS, name, None)
        yield field.alias or name, default, field.description or ""


def _data_keys() -> Iterable[tuple[str, Any, str]]:
    for field in fields(DataSpec):
        if field.name in DATA_KEYS:
            default = None if field.default is MISSING else field.default
            yield field.name, default, DATA_KEYS[field.name]


def _observables() -> Iterable[tuple[str, Any, str]]:
    """Each observable with its usual cadence, and what it records."""
    for name, observable in OBSERVABLES.items():
        columns = [*observable.columns("steps"), *observable.columns("layers")]
        listed = ", ".join(f"`{column}`" for column in columns)
        yield name, observable.cadence, f"{observable.summary} {listed}"


def _names(key: str, registry: Registry[Any]) -> str:
    lines = [f"### Names of `{key}`", "", "| name | options | what it is |", "|---|---|---|"]
    for name in registry:
        entry = registry[name]
        options = "; ".join(
            f"`{label}`{_default(option.default)}, {option.expected}"
            + (f": {option.meaning}" if option.meaning else "")
            for label, option in entry.options.items()
        )
        lines.append(f"| `{name}` | {_cell(options)} | {_cell(entry.summary)} |")
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    return "" if value is None else f" = {_text(value)}"


def _shown(value: Any) -> str:
    text = _text(value)
    return f"`{text}`" if text else ""


def _text(value: Any) -> str:
    """A default as it would stand in a study; nothing where there is none, or an empty one."""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, BaseModel):
        if hasattr(value, "name"):
            return str(value.name)
        given = {
            field.alias or name: getattr(value, name)
            for name, field in type(value).model_fields.items()
        }
        shown = isinstance(value, CriticalRates)
        return (
            "{" + ", ".join(f"{key}: {_text(v)}" for key, v in given.items()) + "}" if shown else ""
        )
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, Mapping):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")

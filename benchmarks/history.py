"""What full runs reached, one line each: date, commit, machine, and the ratio of every goal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.goals import Outcome

NAME = "history.jsonl"
#: What says that two records are of the same machine.
MACHINE = ("processor", "cores")
KEYS = ("date", "commit", "dirty", *MACHINE, "load", "effort")

Record = Mapping[str, Any]


def record(environment: Mapping[str, Any], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """A line of the history: the median ratio of each goal that was measured, by goal and shape."""
    ratios = {f"{each.goal}, {each.shape}": median(each.ratios) for each in outcomes if each.ratios}
    return {
        **{key: environment[key] for key in KEYS},
        "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
    }


def read(folder: Path) -> list[dict[str, Any]]:
    """All lines, the oldest first."""
    path = folder / NAME
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def append(folder: Path, new: Record) -> None:
    """Add a line."""
    with (folder / NAME).open("a", encoding="utf-8") as file:
        file.write(json.dumps(new) + "\n")


def change(before: Sequence[Record], new: Record) -> str:
    """What changed since the last record of the same machine and effort, a line for each goal."""
    same = (*MACHINE, "effort")
    known = [old for old in before if all(old[key] == new[key] for key in same)]
    machine = f"{new['processor']}, {new['cores']} cores"
    if not known:
        return f"No earlier record of this machine ({machine})."
    old = known[-1]
    lines = [f"Against {old['commit'][:12]} of {old['date']} on this machine ({machine}):"]
    for name, ratio in new["ratios"].items():
        if name in old["ratios"]:
            earlier = old["ratios"][name]
            lines.append(f"- {name}: {ratio:.2f}, was {earlier:.2f} ({ratio / earlier - 1:+.0%})")
        else:
            lines.append(f"- {name}: {ratio:.2f}, not measured then")
    return "\n".join(lines)

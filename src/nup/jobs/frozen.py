"""The files of a plan: named after their content, and held against that name when they are read.

``<plan>/<kind>/<ab>/<job>.json`` holds the full specifications of a job ``ab…``, and
``<plan>/selections/<digest>.json`` what the tables take from which job.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nup.errors import UserError
from nup.jobs import places
from nup.jobs.kinds import Kind, kind
from nup.specs import Specification, digest
from nup.tables import atomic_files

#: What to do about a damaged file, for messages.
REMEDY = "delete it and run the same command again, which plans it anew"


class OtherVersionError(UserError):
    """A job's file that is whole, of specifications as another version of nup had them."""


def job_id(specs: Sequence[str]) -> str:
    """Id of the job of specifications with these ids: 12 hex digits."""
    return digest(sorted(specs))


def write_job(name: str, of: Kind[Any], specs: Sequence[Specification], folder: Path) -> Path:
    """Write the file of a job in ``folder`` unless it exists: a planned job never changes."""
    path = places.place(folder, name, ".json")
    if not path.exists():
        lines = ",\n".join(spec.text for spec in specs)
        head = f'{{"job": "{name}", "kind": "{of.name}", "specs": [\n'
        atomic_files.write_text(f"{head}{lines}\n]}}\n", path)
    return path


def read_contents(path: str | Path) -> tuple[Kind[Any], dict[str, Any]]:
    """Kind of a job's file, and its specifications as dictionaries by their ids, in its order.

    Raises:
        UserError: the file is missing, or its content is not that which its name was made of.
    """
    values = read_json(path)
    _keys(path, values, {"job", "kind", "specs"})
    try:
        specs = {digest(spec): spec for spec in values["specs"]}
        found = job_id(list(specs))
        of = kind(values["kind"])
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: expected a planned job, got {error}; {REMEDY}") from error
    if not found == values["job"] == Path(path).stem or len(specs) < len(values["specs"]):
        raise _changed(path, f"job {found} (named {values['job']!r} inside)")
    return of, specs


def read_job(path: str | Path) -> tuple[Kind[Any], tuple[Any, ...]]:
    """Kind and specifications of a job's file.

    Raises:
        OtherVersionError: the file is whole, but its specifications are not of this version.
        UserError: the file is missing, or its content is not that which its name was made of.
    """
    of, contents = read_contents(path)
    try:
        specs = tuple(of.spec.from_dict(spec) for spec in contents.values())
        same = [spec.id for spec in specs] == list(contents)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _other_version(path, error) from error
    if not same:
        raise _other_version(path, "other ids")
    return of, specs


def write_selection(of: Kind[Any], selection: Mapping[str, Sequence[str]], folder: Path) -> Path:
    """Write job id → ids to take from it as ``<folder>/<digest>.json``, unless it exists."""
    jobs = {job: list(ids) for job, ids in sorted(selection.items())}
    values = {"kind": of.name, "jobs": jobs}
    path = folder / f"{digest(values)}.json"
    if not path.exists():
        atomic_files.write_text(json.dumps(values, indent=1) + "\n", path)
    return path


def read_selection(path: str | Path) -> tuple[Kind[Any], dict[str, list[str]]]:
    """The inverse of ``write_selection``: the kind of work, and job id → ids.

    Raises:
        UserError: the file is missing, or its content is not that which its name was made of.
    """
    values = read_json(path)
    _keys(path, values, {"kind", "jobs"})
    if (found := digest(values)) != Path(path).stem:
        raise _changed(path, f"selection {found}")
    return kind(values["kind"]), values["jobs"]


def read_json(path: str | Path) -> Any:
    """The content of a file of the plan.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_no_number)
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: expected a file of the plan, got no such file; plan first"
        ) from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: expected a file of the plan, got a folder") from error
    except (OSError, ValueError, RecursionError) as error:  # of encoding and of JSON
        raise UserError(f"{path}: expected JSON, got {error}; {REMEDY}") from error


def _no_number(text: str) -> None:
    raise ValueError(f"{text}, which is no JSON")


def _keys(path: str | Path, values: Any, wanted: set[str]) -> None:
    if not isinstance(values, dict) or set(values) != wanted:
        got = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise UserError(
            f"{path}: expected a file of the plan with {', '.join(sorted(wanted))}, got {got}; "
            f"{REMEDY}"
        )


def _changed(path: str | Path, found: str) -> UserError:
    return UserError(
        f"{path}: changed since it was planned: expected the content that its name was made of, "
        f"got that of {found}; {REMEDY}"
    )


def _other_version(path: str | Path, why: object) -> OtherVersionError:
    return OtherVersionError(
        f"{path}: expected a job planned by this version of nup, got a file that does not fit "
        f"({why}); {REMEDY}"
    )

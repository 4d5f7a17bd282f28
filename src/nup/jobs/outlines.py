"""Outlines of plans that are kept, so that an unchanged study is not planned again.

Planning goes through every run: to plan again gives the same, but for tens of thousands of runs it
takes long, and the head of a workflow plans at every start. What a plan follows from is kept beside
its outline, and held against what is there now.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nup.data import datasets
from nup.errors import UserError
from nup.jobs import frozen, head, places, provenance
from nup.jobs.kinds import Kind
from nup.jobs.plan import Limits, is_done, reconcile
from nup.registry import plugin_files
from nup.specs import DataSpec, digest, digest_of
from nup.tables import atomic_files


@dataclass(frozen=True)
class Place:
    """Where one kind of work is planned and done: the folder of plans, and that of its tables."""

    kind: Kind[Any]
    plans: Path
    out: Path

    @property
    def jobs(self) -> Path:
        """Folder of the job files."""
        return self.plans / self.kind.name

    @property
    def selections(self) -> Path:
        """Folder of the files that say what the tables take from which job."""
        return self.plans / "selections"

    @property
    def file(self) -> Path:
        """The outline that is kept."""
        return self.plans / "outlines" / f"{self.kind.name}.json"

    def planned(self) -> dict[str, list[int]]:
        """Size and time of every job file, by its name: an edited or damaged one is read again."""
        found: dict[str, list[int]] = {}
        for folder in places.subfolders(self.jobs):
            with os.scandir(folder) as files:
                stats = {file.name: file.stat() for file in files if file.name.endswith(".json")}
            found |= {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}
        return found

    def done(self) -> list[str]:
        """The planned jobs that have left their tables."""
        begun = {path.stem for path in places.listed(self.out)}
        jobs = (name.removesuffix(".json") for name in self.planned())
        return [job for job in jobs if job in begun and is_done(self.kind, self.out, job)]


def outline(
    place: Place, wanted: Callable[[], Mapping[str, Any]], limits: Limits, study: Path
) -> head.Outline:
    """Outline what is to be done of one kind of work: as kept, or planned anew and then kept.

    Args:
        place: where it is planned.
        wanted: the specifications by id, which are only asked for if something has changed.
        limits: how large new jobs may be.
        study: the file from which ``wanted`` follows.

    Raises:
        UserError: as ``reconcile``.
    """
    source = _source(study, limits)
    if found := _kept(place, source):
        return found
    done = place.done()  # before planning: what ends meanwhile counts as later
    specs = wanted()
    plan = reconcile(place.kind, specs, place.jobs, place.out, limits)
    made = head.outline(plan, limits, place.selections)
    data = {spec.data.text: spec.data for spec in specs.values() if spec.data.contents}
    values = {
        "source": source,
        "data": [asdict(each) for each in data.values()],
        "done": done,
        "planned": place.planned(),
        "outline": made.to_dict(),
    }
    atomic_files.write_text(json.dumps({"digest": digest(values), **values}) + "\n", place.file)
    return made


def _source(study: Path, limits: Limits) -> str:
    """Digest of what plans follow from, but for users' data files and earlier plans."""
    return digest(
        {
            "study": [str(study), digest_of(study.read_text(encoding="utf-8"))],
            "code": provenance.package_digest(),
            "plugins": [plugin.digest for plugin in plugin_files.loaded()],
            "limits": asdict(limits),
        }
    )


def _kept(place: Place, source: str) -> head.Outline | None:
    """The outline that is kept, if planning anew would give it."""
    try:
        values = frozen.read_json(place.file)
        whole = values.pop("digest") == digest(values)
    except (AttributeError, KeyError, TypeError, UserError):
        return None
    if not whole or values["source"] != source or values["planned"] != place.planned():
        return None
    found = head.Outline.from_dict(values["outline"], place.file)
    before, now = set(values["done"]), set(place.done())
    # Jobs of the plan that end change nothing. One that is not of it would from then on be of use,
    # and one whose tables are gone might no longer be.
    if not before <= now or not now - before <= set(found.jobs):
        return None
    same = all(_is_same(DataSpec(**data)) for data in values["data"])
    return found if same and Path(found.selection).is_file() else None


def _is_same(data: DataSpec) -> bool:
    """Whether a user's files are those that runs were planned with."""
    try:
        return datasets.resolve(data).contents == data.contents
    except UserError:
        return False

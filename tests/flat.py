"""Results as versions left them that put all jobs of a kind into one folder."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from nup.jobs import migration, places


def flatten(results: Path, records: Path | None = None, name: str = "") -> None:
    """Move what jobs have out of their subfolders.

    Args:
        results: folder of a study.
        records: folder of Snakemake's records, which are made to fit.
        name: how these name the results, if not by their path.
    """
    for folder in migration.job_folders(results):
        for path in places.listed(folder):
            path.rename(folder / path.name)
        for path in places.subfolders(folder):
            path.rmdir()
    if records is None:
        return
    roots = "|".join(map(str, migration.job_folders(Path(name or results))))
    for path in list(records.iterdir()):
        file = base64.urlsafe_b64decode(path.name).decode()
        file, text = (
            re.sub(rf"({roots})/../([0-9a-f]{{12}})", r"\1/\2", each)
            for each in (file, path.read_text())
        )
        path.write_text(text)
        path.rename(path.with_name(base64.urlsafe_b64encode(file.encode()).decode()))

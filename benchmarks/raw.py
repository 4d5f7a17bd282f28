"""Raw records on disk: one JSON file a section, with the environment it was measured in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SECTIONS = (
    "training",
    "measurements",
    "sharpness",
    "subnormals",
    "growth",
    "memory",
    "pipeline",
    "scale",
    "placement",
)


def write(folder: Path, section: str, environment: dict[str, Any], records: Any) -> Path:
    """Write the records of a section."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{section}.json"
    text = json.dumps({"environment": environment, "records": records}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """All sections that there are."""
    paths = {section: folder / f"{section}.json" for section in SECTIONS}
    return {
        section: json.loads(path.read_text(encoding="utf-8"))
        for section, path in paths.items()
        if path.exists()
    }

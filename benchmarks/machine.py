"""Where numbers come from: the machine, its BLAS, the versions and the commit."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.workers import cores
from nup.jobs import provenance

PACKAGES = ("torch", "numpy", "jax", "jaxlib")


def environment() -> dict[str, Any]:
    """What goes with every raw record; ``load`` says how busy the machine was at the start."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": len(cores()),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(terse=True),
        "versions": {
            "python": platform.python_version(),
            **{package: provenance.installed(package) or "absent" for package in PACKAGES},
        },
        **dict(zip(("commit", "dirty"), provenance.commit_state(), strict=True)),
    }


def _processor() -> str:
    """Model of the processor as the system names it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

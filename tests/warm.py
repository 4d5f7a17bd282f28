"""Imported where processes are forked that are killed: what takes long the first time is done here.

Torch, Arrow and the rest take seconds to be imported and used for the first time, which processes
that are forked of the server do not spend again.
"""

import tempfile
from pathlib import Path

from fake_training import run_spec
from nup import cli
from nup.jobs import execute
from nup.jobs.kinds import INITIALIZATION, PHASES, TRAINING
from nup.jobs.plan import Job
from nup.specs import InitSpec, PhaseSpec

ROOT = Path(__file__).parents[1]
DATA = run_spec().data

#: A tiny job of each kind: two blocks, two nets, two nets.
JOBS = {
    "training": Job(TRAINING, tuple(run_spec(steps=3, depth=depth) for depth in (2, 3))),
    "phase search": Job(
        PHASES,
        tuple(
            PhaseSpec("test", DATA, "mup", 3, 4, "abs", seed, steps=3, early=1, log2_to=1.0, scan=1)
            for seed in (0, 1)
        ),
    ),
    "initialization": Job(
        INITIALIZATION,
        tuple(
            InitSpec("eoc", DATA, "mup", 3, 4, "abs", 1.0, seed, kernel="net") for seed in (0, 1)
        ),
    ),
}


def _warm() -> None:
    import nup.claims
    import nup.cli.claims
    import nup.cli.notebooks
    import nup.cli.training  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        for job in JOBS.values():
            session = execute.Session(compiled=False)
            out = Path(folder) / f"{job.id}.parquet"
            execute.run(job, out if len(job.kind.tables) == 1 else out.with_suffix(""), session)
        cli.parser("claims")


_warm()

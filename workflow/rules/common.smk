# The study, its plan, and the paths that the rules share.

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Relative, so that a checkout may be moved without a rerun.
ROOT = Path(os.path.relpath(Path(str(workflow.current_basedir)).parents[1]))
SOURCES = str((ROOT / "src").absolute())
sys.path.insert(0, SOURCES)

from nup import configuration, grid, phase_plan, plan, provenance
from nup.errors import UserError

# Jobs run this checkout's code with this interpreter, whatever else is installed.
shell.prefix(
    f'export PATH="{Path(sys.executable).parent}:$PATH" PYTHONPATH="{SOURCES}"; set -euo pipefail; '
)


def load_study():
    """The study named by `--config study=…`, its runs, nets at initialization, phase diagrams."""
    try:
        path = configuration.find(STUDY_NAME, ROOT / "config")
        study = configuration.load(path)
        return (
            study,
            grid.runs(study, path),
            grid.initializations(study, path),
            grid.phase_diagrams(study, path),
        )
    except UserError as error:
        raise WorkflowError(str(error)) from None


def planned(job):
    """A job by its id; one of an earlier plan is read from its file."""
    return PLAN.jobs.get(job) or plan.Job.read(f"{RESULTS}/plan/jobs/{job}.json")


def planned_phases(job):
    """A job of phase diagrams by its id, as `planned`."""
    return PHASES.jobs.get(job) or phase_plan.PhaseJob.read(f"{RESULTS}/plan/phases/{job}.json")


def caption(figure):
    """The figure's caption in the report, or the one for figures without their own."""
    folder = (ROOT / "workflow" / "report").absolute()
    own = folder / f"{Path(figure).stem}.rst"
    return own if own.is_file() else folder / "figure.rst"


def summarize():
    """After a successful run: write the report and print the verdicts, if there are any."""
    if (Path(TABLES) / "claims.parquet").is_file():
        settings = " ".join(f"{key}={value}" for key, value in config.items())
        snakefile = os.path.relpath(workflow.main_snakefile)
        shell(
            "python -m snakemake --snakefile {snakefile} --nolock --quiet all"
            " --report {RESULTS}/report.html --config study={STUDY_NAME} {settings} &&"
            " echo 'Report: {RESULTS}/report.html' && python -m nup verdicts {TABLES}/claims.parquet"
        )


STUDY_NAME = str(config.get("study", "laptop"))


def tables_folder():
    """Where the tables are: as told, the study's own, or for figures alone the shipped ones."""
    own, shipped = f"{RESULTS}/tables", f"results/reference/{STUDY.study}/tables"
    if "tables" in config or not FROM_TABLES:
        return str(config.get("tables", own))
    for folder in (own, shipped):
        if Path(folder, "claims.parquet").is_file():
            return folder
    raise WorkflowError(
        f"no tables to draw figures from: expected {own} or {shipped}; "
        f"run `make reproduce STUDY={STUDY.study}` first, or name a folder by --config tables=DIR"
    )


STUDY, RUNS, INITIALIZATIONS, PHASE_DIAGRAMS = load_study()
RESULTS = f"results/{STUDY.study}"
# Tables that came without the runs behind them are enough to draw the figures again.
FROM_TABLES = "tables" in config or "figures" in sys.argv
TABLES = tables_folder()

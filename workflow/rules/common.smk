# The study, its plan, and the paths that the rules share.

import os
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Relative, so that a checkout may be moved without a rerun.
ROOT = Path(os.path.relpath(Path(str(workflow.current_basedir)).parents[1]))
SOURCES = str((ROOT / "src").absolute())
sys.path.insert(0, SOURCES)

from nup import configuration, grid, plan, provenance
from nup.errors import UserError

# Jobs run this checkout's code with this interpreter, whatever else is installed.
os.environ["PYTHONPATH"] = os.pathsep.join([SOURCES, *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def load_study():
    """The study named by `--config study=…`, with its runs and nets at initialization."""
    try:
        path = configuration.find(str(config.get("study", "laptop")), ROOT / "config")
        study = configuration.load(path)
        return study, grid.runs(study, path), grid.initializations(study, path)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def summarize():
    """After a successful run: the report, and the verdicts."""
    claims = Path(TABLES) / "claims.parquet"
    if not claims.is_file():
        return
    settings = [f"{key}={value}" for key, value in config.items()]
    command = [sys.executable, "-m", "snakemake", "--snakefile", workflow.main_snakefile]
    command += ["--nolock", "--quiet", "all", "--report", f"{RESULTS}/report.html"]
    command += ["--config", *settings] if settings else []
    made = subprocess.run(command, capture_output=True, text=True)
    print(
        f"Report: {RESULTS}/report.html" if made.returncode == 0 else made.stderr, file=sys.stderr
    )
    subprocess.run([sys.executable, "-m", "nup", "verdicts", str(claims)], check=True)


STUDY, RUNS, INITIALIZATIONS = load_study()
RESULTS = f"results/{STUDY.study}"
# Tables that came without the runs behind them are enough to draw the figures again.
TABLES = str(config.get("tables", f"{RESULTS}/tables"))
FROM_TABLES = "tables" in config or "figures" in sys.argv

# The study, what it asks for, and the paths that the rules share.

import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Relative, so that a checkout may be moved without a rerun.
ROOT = Path(os.path.relpath(Path(str(workflow.current_basedir)).parents[1]))
SOURCES = str((ROOT / "src").absolute())
sys.path.insert(0, SOURCES)

from nup import plugin
from nup.errors import UserError
from nup.jobs import head, kinds, migration, outlines, places, provenance, status
from nup.jobs.plan import Limits
from nup.study import grid
from nup.study.load import find, load, plugins

# Jobs run this checkout's code with this interpreter, its kernel and its style, whatever else the
# machine has: other packages of the user, Jupyter kernels, matplotlib styles.
BIN, PYTHONPATH, STYLE = (
    shlex.quote(path).replace("{", "{{").replace("}", "}}")
    for path in (
        str(Path(sys.executable).parent),
        SOURCES,
        str((ROOT / "workflow" / "matplotlibrc").absolute()),
    )
)
shell.prefix(
    f'export PATH={BIN}:"$PATH" PYTHONPATH={PYTHONPATH} PYTHONNOUSERSITE=1'
    f" JUPYTER_PREFER_ENV_PATH=1 MATPLOTLIBRC={STYLE};"
    " unset JUPYTER_PATH JUPYTER_CONFIG_DIR PYTHONHOME; set -euo pipefail; "
)

# A submission waits while the controller of a cluster is away.
SUBMISSION = str((ROOT / "workflow" / "slurm").absolute())
os.environ.update(PATH=os.pathsep.join([SUBMISSION, *os.get_exec_path()]))


def check_settings():
    """Refuse settings that nobody reads: a misspelt one would run the default study."""
    known = ("study", "tables", "accept_mixed")
    unknown = [name for name in config if name not in known]
    if "experiments" in unknown or "defaults" in unknown:
        raise WorkflowError(
            "settings: expected study, tables and accept_mixed, got the contents of a study; "
            "name its file instead: --config study=mine.yaml"
        )
    if unknown:
        raise WorkflowError(
            f"settings: expected {', '.join(known)}, got {', '.join(map(repr, unknown))}; "
            "correct the name in --config"
        )


check_settings()
if set("{}") & set(SOURCES):
    # Snakemake takes them for wildcards.
    raise WorkflowError(f"{SOURCES}: expected a path without braces; move the checkout")


def load_study():
    """The study named by `--config study=…`, and its file."""
    try:
        path = find(STUDY_NAME, ROOT / "config")
        return load(path), path
    except UserError as error:
        raise WorkflowError(str(error)) from None


def told_by_head():
    """The outlines of all work and what else the head has found out; nothing yet in the head itself."""
    if workflow.is_main_process:
        return {}, {}
    try:
        return head.read(HEAD)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def caption(figure):
    """The figure's caption in the report, or the one for figures without their own."""
    folder = (ROOT / "workflow" / "report").absolute()
    own = folder / f"{Path(figure).stem}.rst"
    return own if own.is_file() else folder / "figure.rst"


def reported(path, name):
    """A figure as output of a notebook: in the report, unless it is of a claim's criteria.

    Those are many, a page of notebooks has them, and mail refuses reports beyond 10 MB.
    """
    figure = Path(path).stem
    if figure.startswith("criteria-"):
        return update(path)
    labels = {"notebook": name, "figure": figure}
    return report(update(path), caption=caption(figure), category="Figures", labels=labels)


def study_contents():
    """The experiments and phase diagrams that are drawn: of the tables, or of the study."""
    if FROM_TABLES:
        return contents.of_tables(TABLES)
    return contents.Contents(
        frozenset(STUDY.experiments) | frozenset(STUDY.initialization),
        frozenset(STUDY.phase_diagrams),
    )


def drawn_notebooks():
    """The notebooks with something to draw, by name; a line for each that is skipped."""
    found = {}
    for source in [*sorted((ROOT / "notebooks").glob("*.ipynb")), *plugin.notebooks()]:
        if source.stem in found:
            raise WorkflowError(f"{found[source.stem]} and {source}: rename one of the notebooks")
        if reason := notebook.absent(source, CATALOGUE, CONTENTS):
            if workflow.is_main_process and "--report" not in sys.argv:
                print(reason, file=sys.stderr)
        else:
            found[source.stem] = source
    return found


def page_tables():
    """The tables that the study's page reads; of tables that came alone, those that there are."""
    paths = [
        f"{TABLES}/{name}.parquet" for name in ("claims", "readings", "runs", "init", "phases")
    ]
    return [path for path in paths if not FROM_TABLES or Path(path).is_file()]


def summarize():
    """After a run that left everything: write the report, print the verdicts and what to open."""
    complete = all(Path(path).exists() for path in rules.all.input)
    if complete and (Path(TABLES) / "claims.parquet").is_file():
        settings = [f"{key}={value}" for key, value in {"study": STUDY_NAME, **config}.items()]
        snakefile = os.path.relpath(workflow.main_snakefile)
        page, verdicts = f"{RESULTS}/report.html", f"{TABLES}/claims.parquet"
        index, style = INDEX, ROOT / "workflow" / "report" / "report.css"
        print("Writing the report, which takes a minute", file=sys.stderr)
        shell(
            "python -m snakemake --snakefile {snakefile:q} --nolock --quiet all"
            " --report {page:q} --report-stylesheet {style:q} --config {settings:q} &&"
            " echo Report: {page:q} && python -m nup verdicts {verdicts:q} &&"
            " echo && echo Open: {index:q}"
        )


STUDY_NAME = str(config.get("study", "laptop"))


def tables_folder():
    """Where the tables are: as told, the study's own, or for figures alone the shipped ones."""
    if not workflow.is_main_process:
        return TOLD["tables"]
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


STUDY, STUDY_FILE = load_study()
RESULTS = f"results/{STUDY.study}"
INDEX = f"{RESULTS}/index.html"
PLUGIN_FILES = [str(file) for file in plugins(STUDY, STUDY_FILE)]
PLUGINS = [f"--plugin={file}" for file in PLUGIN_FILES]
# The shipped claims first; a plug-in brings its own along.
CLAIMS = [str(ROOT / "config" / "claims.yaml"), *map(str, plugin.claims_files())]
# Jobs on a cluster are workflows of their own, on another command line: they read what this one,
# the head, has found out, and plan nothing.
HEAD = Path(RESULTS) / "plan" / "head.json"
OUTLINES, TOLD = told_by_head()
# Tables that came without the runs behind them are enough to draw the figures again.
FROM_TABLES = "tables" in config or TOLD.get("from_tables", "figures" in sys.argv)
TABLES = tables_folder()


onstart:
    head.write(OUTLINES, {"from_tables": FROM_TABLES, "tables": TABLES}, HEAD)
    if OUTLINES and workflow.is_main_process:
        status.follow_in_background(Path(RESULTS))

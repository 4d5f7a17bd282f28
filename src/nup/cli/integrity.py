"""Commands that hold what is stored against what should be."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from nup.cli.options import add_log, add_plugins, at_least_zero, count, threads

if TYPE_CHECKING:
    from nup.jobs.verification import Wanted

log = logging.getLogger("nup")


def verify(options: Namespace) -> int:
    """Print a line for everything that is not whole; the exit status is 1 if anything is not."""
    from nup.jobs import verification

    folder, wanted = _study(options.study, options.results)
    found = verification.verify(folder, wanted)
    for note in found.notes:
        print(f"note: {note}")
    for problem in found.problems:
        print(problem)
    if found.problems:
        print(f"{folder}: {len(found.problems)} problem(s)")
        return 1
    counts = ", ".join(f"{name} {count} rows" for name, count in found.counts.items())
    print(f"{folder} is whole: {counts}")
    return 0


def verify_options(parser: ArgumentParser) -> None:
    """Options of ``verify``."""
    parser.add_argument(
        "study",
        help="name in config/, or path of a .yaml: its results must hold what it asks for; or a "
        "folder results/<study>: it must hold what its own plan asks for",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="where the studies' folders are (default: results)",
    )
    add_plugins(parser)
    add_log(parser)


def _study(study: str, results: Path) -> tuple[Path, Wanted | None]:
    """The folder of a study, and what is wanted of it; None where only its folder was given."""
    from nup.jobs import kinds
    from nup.study import grid
    from nup.study.load import find, load

    if Path(study).is_dir():
        return Path(study), None
    path = find(study)
    values = load(path)
    return results / values.study, {
        kinds.TRAINING: grid.runs(values, path),
        kinds.INITIALIZATION: grid.initializations(values, path),
        kinds.PHASES: grid.phase_diagrams(values, path),
    }


def rerun(options: Namespace) -> int:
    """Train one run again and print where it differs most; the exit status is 1 if it does."""
    from nup.jobs import execute
    from nup.jobs import rerun as again
    from nup.jobs.devices import device

    stored = again.stored(options.run, options.tables)
    row = again.row(stored)
    plan = options.plan or options.tables.parent / "plan" / "train"
    spec = again.specification(row, plan)
    execute.prepare_torch(options.threads)
    with device(options.device or str(row["device"]).partition(":")[0]) as name:
        tables = again.train(spec, row["backend"], name)
    trained = {name: table.to_pandas() for name, table in tables.items()}
    for line in again.circumstances(row, again.row(trained)):
        print(f"note: {line}")
    found = again.differences(stored, trained)
    for difference in found[: options.show]:
        print(difference)
    if not found:
        print(f"run {options.run}: equal, bit for bit")
    elif found[0].size <= options.tolerance:
        print(
            f"run {options.run}: equal within {options.tolerance:g} of every column's largest value"
        )
    else:
        print(f"run {options.run}: differs in {len(found)} column(s)")
        return 1
    return 0


def rerun_options(parser: ArgumentParser) -> None:
    """Options of ``rerun``."""
    parser.add_argument("run", metavar="RUN_ID", help="`run_id` of the run")
    parser.add_argument(
        "--tables",
        type=Path,
        default=Path("results/laptop/tables"),
        help="folder of the study's tables (default: results/laptop/tables)",
    )
    parser.add_argument(
        "--plan",
        type=Path,
        help="folder of the jobs' files, for tables without specifications (default: plan/train "
        "beside the tables)",
    )
    parser.add_argument(
        "--tolerance",
        type=at_least_zero,
        default=1e-6,
        help="largest difference that counts as equal, relative to the largest value of the column "
        "in this run (default: 1e-6)",
    )
    parser.add_argument(
        "--show", type=count, default=10, help="how many differences to print (default: 10)"
    )
    parser.add_argument("--device", help="auto, cpu or cuda (default: that of the stored run)")
    parser.add_argument("--threads", type=threads, default=1, help="threads of torch (default: 1)")
    add_plugins(parser)
    add_log(parser)

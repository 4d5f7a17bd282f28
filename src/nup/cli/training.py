"""Commands that compute runs, and those that gather what jobs have left."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nup.cli.options import add_log, add_plugins, add_process, at_least_zero, megabytes
from nup.cli.paths import check_file, check_folder, check_tables, drop_leftovers

log = logging.getLogger("nup")


def train(options: Namespace) -> None:
    """Train one configuration from the command line and print a summary."""
    from nup.jobs import execute, training
    from nup.jobs.devices import device
    from nup.jobs.kinds import TRAINING
    from nup.study import quick_run

    runs = quick_run.runs(quick_run.given(vars(options)))
    if options.out is not None:
        check_tables(options.out, TRAINING.tables)
        drop_leftovers(*(options.out / f"{name}.parquet" for name in TRAINING.tables))
    execute.prepare_torch(options.threads)
    with device(options.device) as name:
        session = execute.Session(device=name, compiled=options.compiled)
        tables = training.execute(runs, session)
    print(quick_run.summary(tables["runs"]))
    if options.out is not None:
        quick_run.write(tables, options.out)
        log.info("records: %s", ", ".join(str(options.out / f"{name}.parquet") for name in tables))


def train_options(parser: ArgumentParser) -> None:
    """Options of ``train``: the usual settings of an experiment, and ``--set`` for all of them."""
    from nup.study import quick_run

    for flag in quick_run.FLAGS:
        parser.add_argument(
            f"--{flag.name}",
            nargs="+" if flag.many else None,
            metavar="VALUE",
            help=flag.help.replace("%", "%%"),
        )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any setting of an experiment, as in config/README.md, with the value in YAML: "
        "record.hessian=10, schedule='{name: sharpness, c: [2, 2.5]}'; may be given several times",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder to write the records to, as parquet, in place of those of an earlier call",
    )
    add_plugins(parser)
    add_process(parser)


def job(options: Namespace) -> None:
    """Compute a job from its file."""
    from nup.jobs import agreement, execute, places, stopping
    from nup.jobs.devices import device
    from nup.jobs.plan import Job

    frozen, stop = Job.read(options.plan), stopping.Stop()
    agreement.refuse_other_code(frozen, options.code)
    one_file = options.out.suffix == ".parquet" and len(frozen.kind.tables) == 1
    (check_file if one_file else check_folder)(options.out)
    kept = options.checkpoints
    if kept is not None:
        check_folder(kept, "--checkpoints")
        own = places.find(kept, frozen.id)
        # Made now: what a process leaves that is killed before it begins is cleared away there.
        check_folder(own, "--checkpoints")
        kept = own.parent
    with stopping.heeding(stop), device(options.device) as name:
        session = execute.Session(
            frozen.id,
            frozen.digest,
            name,
            kept,
            memory_mb=options.memory,
            compiled=options.compiled,
            every=options.checkpoint_every,
            stop=stop,
            threads=options.threads,
        )
        rows = execute.run(frozen, options.out, session)
    log.info("job %s: %s", frozen.id, _counts(rows))


def job_options(parser: ArgumentParser) -> None:
    """Options of ``job``."""
    from nup.jobs.checkpoints import EVERY

    parser.add_argument("plan", type=Path, help="the job's file")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder of the job's tables; or the file, where a job leaves one table",
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        help="folder that keeps what is computed, so that a job that ends early (by SIGTERM or "
        "Ctrl-C with status 75) goes on where it was when it is started again",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=at_least_zero,
        default=EVERY,
        metavar="SECONDS",
        help=f"time between two checkpoints (default: {EVERY:g})",
    )
    parser.add_argument(
        "--code",
        default="",
        metavar="DIGEST",
        help="digest of the code that the job was planned with; other code is refused",
    )
    parser.add_argument("--memory", type=megabytes, help="megabytes that the process may hold")
    add_plugins(parser)
    add_process(parser)


def tables(options: Namespace) -> None:
    """Collect the selected rows of jobs' tables."""
    from nup.jobs import agreement, places
    from nup.jobs.finished import forget
    from nup.jobs.frozen import read_selection
    from nup.tables import collect

    kind, selection = read_selection(options.selection)
    plan = options.plan or options.selection.parent.parent / kind.name
    mixed = agreement.of_jobs(kind, selection, plan, options.jobs)
    if mixed and options.accept_mixed:
        lines = "\n".join(f"  {line}" for line in agreement.listed(mixed))
        log.warning("tables: accepted and marked in the column 'mixed':\n%s", lines)
    else:
        agreement.refuse(mixed, selection, options.jobs)
    check_folder(options.out)
    drop_leftovers(*(options.out / f"{name}.parquet" for name in kind.tables))
    rows = {}
    for name in kind.tables:
        files = {
            kind.files(options.jobs, job, places.find)[name]: ids for job, ids in selection.items()
        }
        out = options.out / f"{name}.parquet"
        every = name == kind.tables[0]  # of a run that records nothing the others have no rows
        rows[name] = collect.collect(name, kind.key, files, out, every, mixed)
    if (kept := options.checkpoints) is not None:
        folders = (places.find(kept, job).relative_to(kept) for job in selection)
        forget(kept, map(str, folders))
    log.info("tables: %s", _counts(rows))


def tables_options(parser: ArgumentParser) -> None:
    """Options of ``tables``."""
    parser.add_argument("selection", type=Path, help="file that says what to take, by job")
    parser.add_argument("--jobs", type=Path, required=True, help="folder of the jobs' tables")
    parser.add_argument(
        "--plan",
        type=Path,
        help="folder of the jobs' files (default: that of their kind beside the selections)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the study's tables")
    parser.add_argument(
        "--checkpoints", type=Path, help="folder in which jobs keep work: theirs is dropped there"
    )
    parser.add_argument(
        "--accept-mixed",
        action="store_true",
        help="collect results of other code or versions too, and mark them in the column `mixed`",
    )
    add_plugins(parser)
    add_log(parser)


def _counts(rows: dict[str, int]) -> str:
    return ", ".join(f"{name} {count} rows" for name, count in rows.items())

"""The command line: ``nup <command>``. Everything heavy is imported where it is used."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import nup
from nup.errors import UserError

log = logging.getLogger("nup")

Command = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for a failure, 2 for a user's mistake."""
    options = parser().parse_args(arguments)
    _configure_log(getattr(options, "log", None))
    try:
        options.command(options)
    except UserError as error:
        log.error("nup %s: %s", options.name, error)
        return 2
    except BrokenPipeError:
        return 1
    except Exception:
        log.exception("nup %s: unexpected error", options.name)
        return 1
    return 0


def _configure_log(path: Path | None) -> None:
    """Log to stderr, and to ``path`` as well if one is given."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)


# -- commands --------------------------------------------------------------------------------------


def _check_config(options: argparse.Namespace) -> None:
    from nup.study import configuration, grid

    path = configuration.find(options.study)
    study = configuration.load(path)
    runs, nets = grid.runs(study, path), grid.initializations(study, path)
    cells = grid.phase_diagrams(study, path)
    print(
        f"{path}: study {study.study!r}, {len(runs)} runs, {len(nets)} nets at initialization, "
        f"{len(cells)} nets in phase diagrams"
    )


def _plan(options: argparse.Namespace) -> None:
    from nup.jobs import phase_plan, plan
    from nup.study import configuration, grid

    path = configuration.find(options.study)
    study = configuration.load(path)
    runs = grid.runs(study, path)
    gflops = study.jobs.gflops
    jobs = plan.pack(runs.values(), 60 * study.jobs.minutes, gflops, study.jobs.memory_mb)
    seconds = sum(job.seconds(gflops) for job in jobs)
    print(f"{'experiment':<20} {'runs':>7} {'core minutes':>13}")
    for name in study.experiments:
        chosen = [run for run in runs.values() if run.experiment == name]
        print(f"{name:<20} {len(chosen):>7} {plan.training_seconds(chosen, gflops) / 60:>13.1f}")
    print(f"{f'all, in {len(jobs)} jobs':<20} {len(runs):>7} {seconds / 60:>13.1f}")
    cells = grid.phase_diagrams(study, path).values()
    if cells:
        print(f"{'phase diagram':<20} {'nets':>7} {'core minutes':>13}")
    for name in study.phase_diagrams:
        of_one = [cell for cell in cells if cell.experiment == name]
        minutes = phase_plan.seconds(of_one, gflops) / 60
        print(f"{name:<20} {len(of_one):>7} {minutes:>13.1f}")


def _job(options: argparse.Namespace) -> None:
    from nup.jobs import execute
    from nup.jobs.devices import device
    from nup.jobs.plan import Job

    frozen = Job.read(options.plan)
    execute.prepare_torch(options.threads)
    with device(options.device) as name:
        session = execute.Session(
            frozen.id, frozen.digest, name, options.checkpoints, memory_mb=options.memory
        )
        execute.run(frozen, options.out, session)


def _train(options: argparse.Namespace) -> None:
    from nup.jobs import execute
    from nup.jobs.devices import device
    from nup.study import quick_run

    runs = quick_run.runs(vars(options))
    execute.prepare_torch(options.threads)
    with device(options.device) as name:
        tables = execute.train_runs(runs, execute.Session(device=name))
    print(quick_run.summary(tables["runs"]))
    if options.out is not None:
        quick_run.write(tables, options.out)
        log.info("records: %s", ", ".join(str(options.out / f"{name}.parquet") for name in tables))


def _tables(options: argparse.Namespace) -> None:
    from nup.jobs import plan
    from nup.tables import collect

    rows = collect.collect(plan.read_selection(options.selection), options.runs, options.out)
    log.info("tables: %s", ", ".join(f"{name} {count} rows" for name, count in rows.items()))


def _init(options: argparse.Namespace) -> None:
    from nup.jobs import initialization, plan

    rows = initialization.run(plan.read_initialization(options.nets), options.out)
    log.info("init: %d rows", rows)


def _phases(options: argparse.Namespace) -> None:
    from nup.jobs import execute, phases
    from nup.jobs.devices import device
    from nup.jobs.phase_plan import PhaseJob

    frozen = PhaseJob.read(options.nets)
    execute.prepare_torch(options.threads)
    with device(options.device) as name:
        rows = phases.run(frozen.cells, options.out, name)
    log.info("phases: %d rows", rows)


def _collect_phases(options: argparse.Namespace) -> None:
    from nup.jobs import plan
    from nup.tables import collect

    rows = collect.collect_phases(plan.read_selection(options.selection), options.jobs, options.out)
    log.info("phases: %d rows", rows)


def _claims(options: argparse.Namespace) -> None:
    from nup import claims
    from nup.tables import store

    names = ("runs", "steps", "layers", "init")
    frames = {name: store.read_table(name, options.tables / f"{name}.parquet") for name in names}
    judged = claims.judge(frames, claims.load_catalogue(options.catalogue))
    store.write_table("claims", judged, options.out)


def _readings(options: argparse.Namespace) -> None:
    from nup import claims
    from nup.claims import interpretations
    from nup.tables import store

    names = ("runs", "steps", "layers", "init")
    frames = {name: store.read_table(name, options.tables / f"{name}.parquet") for name in names}
    catalogue = claims.load_catalogue(options.catalogue)
    wanted = interpretations.load_readings(options.readings, catalogue)
    judged = interpretations.judge_readings(frames, catalogue, wanted)
    store.write_table("readings", judged, options.out)


def _verdicts(options: argparse.Namespace) -> None:
    from nup import claims
    from nup.report import scorecard

    if options.markdown:
        print(scorecard.markdown(options.claims, claims.load_catalogue(options.catalogue)))
    else:
        print("\n\n".join(scorecard.text(path) for path in options.claims))


def _compare(options: argparse.Namespace) -> None:
    from nup.report import comparison

    found = comparison.differences(options.claims, options.reference)
    print("\n".join(found) or "same verdicts, and intervals overlap")
    if found:
        raise SystemExit(1)


def _tidy_notebook(options: argparse.Namespace) -> None:
    from nup.report import notebook

    notebook.tidy(options.notebook, options.out)
    if options.page is not None:
        notebook.render(options.out, options.page)


def _schema(options: argparse.Namespace) -> None:  # noqa: ARG001
    from nup.tables import documentation

    print(documentation.tables(), end="")


# -- options ---------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        prog="nup", description="MLPs at the edge of chaos: train, tabulate and judge."
    )
    top.add_argument("--version", action="version", version=f"nup {nup.__version__}")
    commands = top.add_subparsers(dest="name", required=True, metavar="command")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        sub.set_defaults(command=command)
        return sub

    for name, command, text in (
        ("check-config", _check_config, "check a study configuration"),
        ("plan", _plan, "print the runs, jobs and estimated cost of a study"),
    ):
        add(name, command, text).add_argument("study", help="name in config/, or path of a .yaml")
    _add_train_options(add("train", _train, "train one configuration and print a summary"))
    sub = add("job", _job, "train the runs of a planned job")
    sub.add_argument("plan", type=Path, help="the job's file")
    sub.add_argument("--out", type=Path, required=True, help="folder of the job's tables")
    sub.add_argument("--checkpoints", type=Path, help="folder that keeps finished blocks")
    sub.add_argument("--memory", type=float, help="megabytes that the process may hold")
    _add_process_options(sub)
    sub = add("tables", _tables, "collect the tables of jobs into those of the study")
    sub.add_argument("selection", type=Path, help="file of the runs to take, by job")
    sub.add_argument("--runs", type=Path, required=True, help="folder of the jobs' tables")
    sub.add_argument("--out", type=Path, required=True, help="folder of the study's tables")
    sub.add_argument("--log", type=Path, help="file that also gets the messages")
    sub = add("init", _init, "measure nets at their initialization")
    sub.add_argument("nets", type=Path, help="file of the nets")
    sub.add_argument("--out", type=Path, required=True, help="the table to write")
    sub.add_argument("--log", type=Path, help="file that also gets the messages")
    sub = add("phases", _phases, "find the critical learning rates of a planned job's nets")
    sub.add_argument("nets", type=Path, help="the job's file")
    sub.add_argument("--out", type=Path, required=True, help="the table to write")
    _add_process_options(sub)
    sub = add("collect-phases", _collect_phases, "collect the critical learning rates of jobs")
    sub.add_argument("selection", type=Path, help="file of the nets to take, by job")
    sub.add_argument("--jobs", type=Path, required=True, help="folder of the jobs' tables")
    sub.add_argument("--out", type=Path, required=True, help="the table to write")
    sub.add_argument("--log", type=Path, help="file that also gets the messages")
    sub = add("claims", _claims, "judge the claims on a study's tables")
    sub.add_argument("--tables", type=Path, required=True, help="folder of the study's tables")
    sub.add_argument("--catalogue", type=Path, default=Path("config/claims.yaml"))
    sub.add_argument("--out", type=Path, required=True, help="the table to write")
    sub.add_argument("--log", type=Path, help="file that also gets the messages")
    sub = add("readings", _readings, "judge the claims in every reading of them")
    sub.add_argument("--tables", type=Path, required=True, help="folder of the study's tables")
    sub.add_argument("--catalogue", type=Path, default=Path("config/claims.yaml"))
    sub.add_argument("--readings", type=Path, default=Path("config/readings.yaml"))
    sub.add_argument("--out", type=Path, required=True, help="the table to write")
    sub.add_argument("--log", type=Path, help="file that also gets the messages")
    sub = add("verdicts", _verdicts, "print the verdict on each claim")
    sub.add_argument(
        "claims", type=Path, nargs="+", help="the table of claims; several stand side by side"
    )
    sub.add_argument("--markdown", action="store_true", help="as a Markdown table for a page")
    sub.add_argument("--catalogue", type=Path, default=Path("config/claims.yaml"))
    sub = add("compare", _compare, "hold a table of claims against another")
    sub.add_argument("claims", type=Path, help="the new table of claims")
    sub.add_argument("reference", type=Path, help="the table to hold it against")
    sub = add(
        "tidy-notebook", _tidy_notebook, "drop from an executed notebook what is not its content"
    )
    sub.add_argument("notebook", type=Path, help="the executed notebook")
    sub.add_argument("--out", type=Path, required=True, help="the notebook to write")
    sub.add_argument("--page", type=Path, help="the HTML page to write as well")
    add("schema", _schema, "print the documentation of the tables as Markdown")
    return top


def _add_process_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    sub.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    sub.add_argument("--log", type=Path, help="file that also gets the messages")


def _add_train_options(sub: argparse.ArgumentParser) -> None:
    add = sub.add_argument
    add("--parameterization", default="nup", help="name in the registry (default: nup)")
    add("--r", type=float, help="width exponent of nup")
    add("--match", help="take the width at which this parameterization's size is matched")
    add("--depth", type=int, nargs="+", default=[4], help="weight matrices (default: 4)")
    add("--width", type=int, nargs="+", default=[16], help="base width (default: 16)")
    add("--activation", nargs="+", default=["abs"], help="name or '(a,b)' (default: abs)")
    add("--weight-variance", type=float, default=1.0, help="σ² (default: 1, the edge of chaos)")
    add("--schedule", default="constant", help="name in the registry (default: constant)")
    add("--c", type=float, nargs="+", help="c of the schedules sharpness and taylor")
    add("--gradient-scaling", default="none", help="none or depthwise (default: none)")
    add("--optimizer", default="sgd", help="sgd or adamw (default: sgd)")
    add("--weight-decay", type=float, help="of adamw (default: 0.01)")
    add(
        "--lr",
        type=float,
        nargs="+",
        default=[0.5],
        help="learning rates (default: 0.5); without effect on schedules that find their own",
    )
    add("--steps", type=int, default=200, help="steps (default: 200)")
    add("--seeds", type=int, default=4, help="how many seeds (default: 4)")
    add("--data", default="digits", help="data set (default: digits)")
    add("--n-train", type=int, default=256, help="training samples (default: 256)")
    add("--loss", default="mse", help="mse or cross_entropy (default: mse)")
    add("--batch-size", type=int, help="samples per step (default: all)")
    add("--dtype", default="float32", help="float32 or float64 (default: float32)")
    add("--out", type=Path, help="folder to write the records to, as parquet")
    _add_process_options(sub)

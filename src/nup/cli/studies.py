"""Commands about studies, and the documentation that follows from the code."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nup.cli.options import add_plugins, at_least_zero


def check_config(options: Namespace) -> None:
    """Check a study and print how much it asks for."""
    from nup.study import grid
    from nup.study.load import find, load

    path = find(options.study)
    study = load(path)
    runs, nets = grid.runs(study, path), grid.initializations(study, path)
    cells = grid.phase_diagrams(study, path)
    print(
        f"{path}: study {study.study!r}, {len(runs)} runs, {len(nets)} nets at initialization, "
        f"{len(cells)} nets in phase diagrams"
    )


def check_config_options(parser: ArgumentParser) -> None:
    """Options of ``check-config``."""
    parser.add_argument("study", help="name in config/, or path of a .yaml")
    add_plugins(parser)


def plan(options: Namespace) -> None:
    """Print what a study costs, by experiment."""
    from nup.jobs import kinds
    from nup.jobs.kinds import Kind
    from nup.jobs.plan import Limits, pack
    from nup.study import grid
    from nup.study.load import find, load

    path = find(options.study)
    study = load(path)
    jobs = study.jobs
    limits = Limits(60 * jobs.minutes, jobs.gflops, jobs.memory_mb, jobs.threads)
    parts: tuple[tuple[str, Kind[Any], Mapping[str, Any]], ...] = (
        ("experiment", kinds.TRAINING, grid.runs(study, path)),
        ("initialization", kinds.INITIALIZATION, grid.initializations(study, path)),
        ("phase diagram", kinds.PHASES, grid.phase_diagrams(study, path)),
    )
    for title, kind, found in parts:
        specs = list(found.values())
        if not specs:
            continue
        noun = "runs" if kind is kinds.TRAINING else "nets"
        print(f"{title:<20} {noun:>7} {'core minutes':>13}")
        for name in dict.fromkeys(spec.experiment for spec in specs):
            chosen = [spec for spec in specs if spec.experiment == name]
            print(f"{name:<20} {len(chosen):>7} {kind.seconds(chosen, limits.gflops) / 60:>13.1f}")
        packed = pack(kind, specs, limits)
        minutes = sum(job.seconds(limits.gflops) for job in packed) / 60
        print(f"{f'all, in {len(packed)} jobs':<20} {len(specs):>7} {minutes:>13.1f}")


plan_options = check_config_options


def status(options: Namespace) -> None:
    """Print how far the jobs of a study are, once or again and again."""
    from nup.jobs import status as state
    from nup.study.load import find, load

    results = Path("results")
    if Path(options.study).suffix in (".yaml", ".yml"):
        folder = results / load(find(options.study)).study
    else:
        folder = results / options.study
    if options.every is not None:
        state.follow(folder, options.every, partial(print, flush=True))
    else:
        print(state.text(state.read(folder), time.time()))


def status_options(parser: ArgumentParser) -> None:
    """Options of ``status``."""
    parser.add_argument("study", help="name, as in results/<name>, or path of a .yaml")
    parser.add_argument(
        "--every",
        type=at_least_zero,
        metavar="SECONDS",
        help="print one line this often until all jobs are done",
    )
    add_plugins(parser)


def schema(options: Namespace) -> None:
    """Print Markdown about the tables, or about the keys of a study."""
    if options.config:
        from nup.study import documentation as keys

        print(keys.configuration(), end="")
    else:
        from nup.tables import documentation

        print(documentation.tables(), end="")


def schema_options(parser: ArgumentParser) -> None:
    """Options of ``schema``."""
    parser.add_argument(
        "--config", action="store_true", help="the keys of a study instead of the tables"
    )

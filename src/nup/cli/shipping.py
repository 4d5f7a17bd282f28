"""The command that puts a study's results under version control."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser, Namespace
from pathlib import Path

from nup.cli.paths import check_folder
from nup.errors import UserError, writing


def ship(options: Namespace) -> None:
    """Copy the tables of a study, rounded and thinned, and its figures."""
    from nup.figures import style
    from nup.tables import shipping, store
    from nup.tables.schema import TABLES

    target = options.to / options.study.resolve().name
    sources = {name: options.study / "tables" / f"{name}.parquet" for name in TABLES}
    sources = {name: path for name, path in sources.items() if path.is_file()}
    if "runs" not in sources or target.resolve() == options.study.resolve():
        raise UserError(
            f"{options.study}: expected the folder of a study's results, with tables/runs.parquet; "
            "run `make reproduce` first"
        )
    check_folder(target, "--to")
    whole = None
    if options.whole_seeds is not None:
        runs = store.read_table("runs", sources["runs"], ["run_id", "seed"])
        first = sorted(runs["seed"].unique())[: options.whole_seeds]
        whole = set(runs.loc[runs["seed"].isin(first), "run_id"])
    for name, path in sources.items():
        table = shipping.shipped(name, store.read_table(name, path), whole)
        store.write_table(name, table, target / "tables" / path.name)
    figures = sorted((options.study / "figures").glob("*.png"))
    figures = [each for each in figures if not _left_out(each.name)]
    with writing(target):
        shutil.rmtree(target / "figures", ignore_errors=True)
        (target / "figures").mkdir()
        for figure in figures:
            style.save_small(figure, target / "figures" / figure.name)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {len(sources)} tables, {len(figures)} figures, {size / 1e6:.1f} MB")


def _left_out(figure: str) -> bool:
    """Whether `make figures` is left to draw a figure.

    Those of a claim's criteria are many, and repeat the table of claims; the curves of every net
    are the largest file, and those of the main nets have one of their own.
    """
    return figure.startswith("criteria-") or figure == "loss-against-rate.png"


def ship_options(parser: ArgumentParser) -> None:
    """Options of ``ship``."""
    parser.add_argument("study", type=Path, help="folder of the results, results/<study>")
    parser.add_argument(
        "--to",
        type=Path,
        default=Path("results/reference"),
        help="folder that gets a folder of the study's name (default: results/reference)",
    )
    parser.add_argument(
        "--whole-seeds",
        type=int,
        metavar="N",
        help="of runs of 1,000 recorded steps and more, keep every step of the first N seeds only, "
        "and of the others the steps at which more was recorded (default: keep all)",
    )

"""The workflow among what a machine may have: odd paths, other kernels, styles, damaged files."""

from __future__ import annotations

import json
import re

import pytest

from nup.tables import store
from project import NOTHING, copied

STUDY = """
study: tiny
defaults: {data: {name: digits, n_train: 32, n_test: 32}, seeds: 1, activation: abs, width: 4}
initialization:
  eoc: {parameterization: mup, depth: 3, weight_variance: [0.8, 1.0, 1.25]}
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, pytestconfig):
    """A copy of the project, under a path that a shell would take apart, with a study run in it."""
    root = tmp_path_factory.mktemp("project") / "a copy's $(touch owned) folder"
    root.mkdir()
    checkout = copied(pytestconfig.rootpath, root, study="tiny")
    (root / "config" / "tiny.yaml").write_text(STUDY)
    return checkout


@pytest.fixture(scope="module")
def finished(checkout, tmp_path_factory):
    """What the first run printed, with surroundings that would lead it astray."""
    around = tmp_path_factory.mktemp("around")
    neighbour = around / "temporary"
    (neighbour / "kept").mkdir(parents=True)
    temporary = around / "temporary files"
    kernel = around / "jupyter" / "kernels" / "python3"
    for folder in (temporary, kernel):
        folder.mkdir(parents=True)
    argv = ["false", "-f", "{connection_file}"]
    kernel_spec = {"argv": argv, "display_name": "other", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(kernel_spec))
    style = around / "matplotlibrc"
    style.write_text("text.usetex: True\nfigure.facecolor: black\n")
    environment = {
        "TMPDIR": str(temporary),
        "JUPYTER_PATH": str(around / "jupyter"),
        "MATPLOTLIBRC": str(style),
    }
    text = checkout.snakemake("--config", "study=tiny", environment=environment)
    assert (neighbour / "kept").is_dir()
    assert not [path for path in temporary.iterdir() if path.is_dir()]
    return text


def test_odd_paths_kernels_and_styles_do_no_harm(finished, checkout, fault):
    assert "Report: results/tiny/report.html" in finished
    assert not list(checkout.root.parent.rglob("owned"))
    figure = checkout.folder / "figures" / "eoc-init.png"
    assert figure.stat().st_size > 10_000
    import matplotlib.image

    assert matplotlib.image.imread(figure)[0, 0, :3].min() > 0.99  # not the user's black
    for what in ("path with spaces and $( )", "other kernel", "other style", "TMPDIR with spaces"):
        fault("surroundings", what, "does no harm")


def test_braces_in_the_path_are_refused(pytestconfig, tmp_path, fault):
    root = tmp_path / "{copy}"
    root.mkdir()
    text = copied(pytestconfig.rootpath, root).snakemake("--dry-run", succeeds=False)
    assert "expected a path without braces; move the checkout" in text
    fault("surroundings", "path with braces", "one message")


def test_settings_that_nobody_reads_are_refused(checkout, tmp_path, fault):
    text = checkout.snakemake("--config", "stdy=tiny", succeeds=False)
    assert "settings: expected study, tables, accept_mixed, got 'stdy'" in text
    note = "note=$(touch owned)"
    text = checkout.snakemake("--config", "study=tiny", note, succeeds=False)
    assert "tables, accept_mixed, got 'note'" in text
    assert not list(checkout.root.rglob("owned"))
    text = checkout.snakemake("--configfile", "config/tiny.yaml", succeeds=False)
    assert "name its file instead: --config study=mine.yaml" in text
    fault("bad input", "settings of the workflow", "one message, no traceback", 3)


def test_a_single_target_leaves_the_rest_alone(finished, checkout):
    table = "results/tiny/tables/init.parquet"
    text = checkout.snakemake(table, "--force", "--config", "study=tiny")
    assert "CalledProcessError" not in text
    # Made again from the same jobs, it has the same content: nothing else is due.
    checkout.snakemake("--config", "study=tiny")
    assert NOTHING in checkout.snakemake("--config", "study=tiny")


@pytest.mark.parametrize("name", ["claims", "init"])
def test_what_was_good_stays_where_a_table_is_damaged(finished, checkout, name, fault):
    """A damaged table is named; what was made of it before is still there, and made again after."""
    table = checkout.folder / "tables" / f"{name}.parquet"
    pages = {path: path.read_bytes() for path in checkout.folder.glob("notebooks/*.html")}
    whole = table.read_bytes()
    table.write_bytes(whole[: len(whole) // 2])
    text = checkout.snakemake("--config", "study=tiny", succeeds=False)
    assert re.search(rf"tables/{name}\.parquet", text)
    assert {path: path.read_bytes() for path in pages} == pages
    table.unlink()
    checkout.snakemake("--config", "study=tiny")
    assert table.read_bytes() == whole
    assert store.read_table(name, table) is not None
    outcome = "one message, pages stay; made again to the same bytes"
    fault("file lost or damaged", "collected table, in the workflow", outcome)


def test_a_table_that_is_gone_is_made_again(finished, checkout, fault):
    """Though all that is made of it is newer."""
    table = checkout.folder / "tables" / "init.parquet"
    whole = table.read_bytes()
    table.unlink()
    checkout.snakemake("--config", "study=tiny")
    assert table.read_bytes() == whole
    fault("file lost or damaged", "collected table, gone", "made again to the same bytes")

"""A plug-in with one of each: from a study that names it to rows, labels, verdict and figure."""

import json

import matplotlib.image
import pytest

from nup.claims.nets import nets_of_study
from nup.figures.nets import net_styles
from nup.registry import plugin_files
from project import NOTHING, copied

STUDY = "examples/plugin/study.yaml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, pytestconfig):
    """A copy of the project with the plug-in's study run in it, and what that printed."""
    root = tmp_path_factory.mktemp("project")
    checkout = copied(pytestconfig.rootpath, root, "plugin", also=["examples"])
    return checkout, checkout.snakemake("--config", f"study={STUDY}")


@pytest.fixture
def tables(finished, monkeypatch):
    """The tables of the study, read with the plug-in, whose columns they have."""
    monkeypatch.setattr(plugin_files, "_LOADED", {})
    plugin_files.load(finished[0].root / "examples/plugin/mine.py")
    names = ("runs", "steps", "layers", "claims")
    return {name: finished[0].table(name) for name in names}


def test_every_run_has_its_labels_and_options(tables):
    runs = tables["runs"]
    labels = set(zip(runs["net"], runs["schedule"], runs["optimizer"], strict=True))
    assert labels == {
        ("tilted", "constant", "sgd"),
        ("tilted(tilt=1)", "constant", "sgd"),
        ("nup(r=2)", "constant", "sgd"),
        ("nup(r=2)", "inverse_power(power=0.25)", "sgd"),
        ("nup(r=2)", "constant+gradient_norm(power=1)", "sgd"),
        ("sp+momentum(beta=0.8)", "constant", "momentum(beta=0.8)"),
    }
    assert (runs["status"] == "ok").all()
    assert set(runs["dataset"]) == {"rings"}
    tilted = runs[runs["parameterization"] == "tilted"]
    assert {json.loads(text)["tilt"] for text in tilted["net_options"]} == {0.5, 1.0}
    assert set(runs["delta_phi"]) == {1.0}


def test_kernels_train_what_they_know_and_torch_the_rest(tables):
    backends = tables["runs"].groupby("schedule")["backend"].unique().map(set).to_dict()
    assert backends["inverse_power(power=0.25)"] == {"numba"}
    assert backends["constant+gradient_norm(power=1)"] == {"torch"}
    by_optimizer = tables["runs"].groupby("optimizer")["backend"].unique().map(set)
    assert by_optimizer["momentum(beta=0.8)"] == {"torch"}


def test_the_observable_has_its_columns_on_both_backends(tables):
    for name, column in (("steps", "kurtosis"), ("layers", "layer_kurtosis")):
        rows = tables[name].merge(tables["runs"][["run_id", "backend"]], on="run_id")
        due = rows[rows["step"] % 5 == 0]
        assert due[column].notna().all()
        assert set(due["backend"]) == {"numba", "torch"}


def test_the_claim_has_a_verdict_for_each_net(tables):
    rows = tables["claims"][tables["claims"]["claim"] == "weights-stay-gaussian"]
    assert list(rows["criterion"]) == [
        "overall",
        "weights of tilted",
        "weights of tilted(tilt=1)",
        "weights of nup(r=2)",
    ]
    assert rows["estimate"].notna().all()
    assert (rows["n_seeds"] == 4).all()
    assert set(rows["verdict"]) <= {"supported", "contradicted", "inconclusive"}


def test_the_figure_is_drawn_and_its_nets_differ_in_color(finished, tables):
    folder = finished[0].folder
    pixels = matplotlib.image.imread(folder / "figures" / "weights-stay-gaussian.png")
    assert pixels[..., :3].std() > 0.05
    assert (folder / "notebooks" / "tilt.html").stat().st_size > 10_000

    styles = net_styles(nets_of_study(tables))
    assert set(styles) == set(tables["runs"]["net"])
    assert len({(str(style.color), style.marker) for style in styles.values()}) == len(styles) == 4


def test_notebooks_without_runs_are_skipped_with_a_line_each(finished):
    checkout, text = finished
    assert "02_depth.ipynb is skipped: the study has no experiment depth" in text
    drawn = {path.stem for path in (checkout.folder / "notebooks").glob("*.ipynb")}
    assert drawn == {"00_scorecard", "tilt"}


def test_a_second_run_has_nothing_to_do_and_an_edit_trains_again(finished):
    checkout, _ = finished
    assert NOTHING in checkout.snakemake("--config", f"study={STUDY}")
    checkout.edit("examples/plugin/mine.py", "0.1 * source.normal", "0.2 * source.normal")
    text = checkout.snakemake("--dry-run", "--config", f"study={STUDY}")
    assert "rule train" in text


def test_a_plug_in_that_fails_stops_with_one_line(finished):
    checkout, _ = finished
    checkout.edit("examples/plugin/mine.py", "import numpy as np", "import nothing_at_all")
    text = checkout.snakemake("--config", f"study={STUDY}", succeeds=False)
    assert "mine.py: expected a file that can be imported, got ModuleNotFoundError" in text
    assert "Traceback" not in text

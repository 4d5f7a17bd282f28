"""Regimes: a claim is evaluated for each loss and batch size of its experiment separately."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import synthetic_comparisons as comparisons
import synthetic_tables as synthetic
from figure_faults import faults
from nup import cli
from nup.analysis.cosine import correlations
from nup.analysis.cosine import report as cosine_report
from nup.claims import Catalogue, Evaluation, evaluate, load_catalogue, report
from nup.claims.regimes import Regime, regimes_of
from nup.claims.run_selection import NotRun, RunSelection
from nup.figures.catapult import catapult_ends
from nup.figures.correlations import correlation_forest
from nup.figures.reading_matrix import reading_matrix
from nup.figures.scorecard import forest, verdict_table
from nup.figures.transfer import loss_against_rate
from nup.figures.usefulness import tuned_accuracies
from nup.report import scorecard
from nup.tables import store
from synthetic_base import in_regime, together
from synthetic_cells import cells_tables

ROOT = Path(__file__).parents[1]
FULL, USUAL = "mse, full batch", "cross-entropy, batch 256"
WORSE = dict.fromkeys(("constant", *comparisons.SCHEDULES), -0.05)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The claims on three experiments, of which one is of nets that are not trained."""
    found = load_catalogue(ROOT / "config" / "claims.yaml")
    names = ("eoc-init", "catapult-ends", "edge-of-stability", "useful")
    return found.model_copy(update={"claims": [found[name] for name in names]})


@pytest.fixture(scope="module")
def full_batch() -> dict[str, pd.DataFrame]:
    """What is true on full batches."""
    useful = comparisons.useful_tables(("abs", "relu"))
    tables = together(useful, synthetic.catapult_tables(("abs", "relu")))
    return {**tables, "init": synthetic.init_table(("abs", "relu"))}


@pytest.fixture(scope="module")
def both(full_batch) -> dict[str, pd.DataFrame]:
    """The same, and with cross-entropy on minibatches, where νP is worse."""
    worse = comparisons.useful_tables(("abs", "relu"), gain=WORSE)
    return together(full_batch, in_regime(worse, "cross_entropy", 256))


@pytest.fixture(scope="module")
def evaluation(both, catalogue) -> Evaluation:
    return evaluate(both, catalogue)


@pytest.fixture(scope="module")
def judged(evaluation) -> pd.DataFrame:
    return evaluation.claims


@pytest.fixture(scope="module")
def alone(full_batch, catalogue) -> pd.DataFrame:
    """What is judged of full batches only."""
    return evaluate(full_batch, catalogue).claims


def overall(judged: pd.DataFrame, claim: str) -> dict[tuple[str, str], str]:
    rows = judged[(judged["claim"] == claim) & (judged["criterion"] == "overall")]
    return rows.set_index(["activation", "setting"])["verdict"].to_dict()


def test_regimes_are_found_named_and_ordered(full_batch):
    variants = [("cross_entropy", 32), ("mse", 64), ("mse", None), ("cross_entropy", None)]
    tables = together(*(in_regime(full_batch, *variant) for variant in variants))
    found = regimes_of(tables, "useful")
    assert found == [
        Regime("mse", None),
        Regime("mse", 64),
        Regime("cross_entropy", None),
        Regime("cross_entropy", 32),
    ]
    assert [regime.label for regime in found] == [
        "mse, full batch",
        "mse, batch 64",
        "cross-entropy, full batch",
        "cross-entropy, batch 32",
    ]
    assert regimes_of(tables, "useful", {"batch_size": None}) == [found[0], found[2]]
    assert regimes_of(tables, "useful", {"loss_name": "mse"}) == found[:2]
    assert regimes_of(tables, "another") == regimes_of({}, "useful") == []


def test_selection_of_one_regime_holds_its_runs_alone(both):
    regime = Regime("cross_entropy", 256)
    selection = RunSelection(both, "useful", "abs", regime=regime)
    assert set(selection.runs["loss_name"]) == {"cross_entropy"}
    assert set(selection.within(activation="relu").runs["batch_size"]) == {256}
    assert len(selection.runs) * 2 == len(RunSelection(both, "useful", "abs").runs)
    with pytest.raises(NotRun, match="mixes several values of loss_name"):
        RunSelection(both, "useful", "abs").runs_of()


def test_each_regime_has_its_verdict(judged):
    assert overall(judged, "useful") == {
        ("abs", FULL): "supported",
        ("abs", USUAL): "contradicted",
        ("relu", FULL): "supported",
        ("relu", USUAL): "contradicted",
    }
    assert overall(judged, "eoc-init") == {
        ("abs", "initialization"): "supported",
        ("relu", "initialization"): "supported",
    }


def test_a_regime_is_judged_as_if_it_were_alone(judged, alone):
    within = judged[judged["setting"] != USUAL].reset_index(drop=True)
    pd.testing.assert_frame_equal(within, alone)
    assert set(alone["setting"]) == {FULL, "initialization"}


def test_an_activation_is_judged_in_its_own_regimes(full_batch, catalogue):
    usual = in_regime(comparisons.useful_tables(("abs",)), "cross_entropy", 256)
    found = overall(evaluate(together(full_batch, usual), catalogue).claims, "useful")
    assert set(found) == {("abs", FULL), ("abs", USUAL), ("relu", FULL)}


def test_a_claim_about_full_batches_is_not_judged_on_others(full_batch, catalogue):
    small = in_regime(synthetic.catapult_tables(("abs",)), "mse", 64)
    found = evaluate(together(full_batch, small), catalogue).claims
    assert set(overall(found, "edge-of-stability")) == {("abs", FULL), ("relu", FULL)}
    assert ("abs", "mse, batch 64") in overall(found, "catapult-ends")
    assert overall(evaluate(small, catalogue).claims, "edge-of-stability") == {
        ("abs", ""): "not run"
    }


def test_pages_name_the_regime_only_where_it_tells_rows_apart(judged, alone, catalogue):
    text = report.verdict_text(judged, "useful")
    assert "- `abs, mse, full batch`: **supported**" in text
    assert "- `relu, cross-entropy, batch 256`: **contradicted**" in text
    assert "| abs, cross-entropy, batch 256 |" in report.verdict_rows(judged, "useful")
    title = catalogue["useful"].title
    index = report.index_text(judged, catalogue).splitlines()
    heads = [line.split(" | ")[0].removeprefix("| ") for line in index[2:]]
    assert heads[3:] == [f"{title}: {FULL}", f"{title}: {USUAL}"]
    assert "contradicted | contradicted" in index[-1]
    pages = [f(alone, "useful") for f in (report.verdict_text, report.verdict_rows)]
    assert not any("full batch" in page for page in [*pages, report.index_text(alone, catalogue)])


def twofold() -> dict[str, pd.DataFrame]:
    """The experiment on depth in two regimes."""
    full = synthetic.depth_tables(seeds=(0, 1))
    return together(full, in_regime(synthetic.depth_tables(seeds=(0, 1)), "cross_entropy", 256))


def test_figures_have_their_rows_for_each_regime(both, judged, catalogue):
    figure = tuned_accuracies(both, judged, catalogue["useful"])
    titles = [axis.get_title().split("\n")[0] for axis in figure.axes]
    assert len(titles) == 2 * 2 * 2
    assert titles[:2] == [f"{name}, {FULL}: ✓ supported" for name in ("abs", "relu")]
    assert titles[4] == f"abs, {USUAL}: ✗ contradicted"
    assert figure.get_suptitle().endswith("✗ contradicted")
    assert not [axis for axis in figure.axes if any("not run" in t.get_text() for t in axis.texts)]
    rates = load_catalogue(ROOT / "config" / "claims.yaml")["nup-best-rate"]
    twice = loss_against_rate(twofold(), judged, rates)
    drawn = [axis for axis in twice.axes if axis.axison]
    heads = {axis.get_title().split(":")[0].replace("\n", " ") for axis in drawn}
    assert heads == {f"abs, {FULL}", f"abs, {USUAL}"}
    assert faults(twice) == []
    single = catapult_ends(both, judged, catalogue["catapult-ends"])
    assert single.axes[0].get_title().startswith("abs: ✓ supported")


def test_the_scorecard_has_a_line_for_each_regime(judged, catalogue):
    axis = verdict_table(judged, catalogue).axes[0]
    heads = [tick.get_text().split("\n")[0] for tick in axis.get_yticklabels()]
    assert heads[2:] == ["edge-of-stability", f"useful: {FULL}", f"useful: {USUAL}"]
    words = [text.get_text() for text in axis.texts]
    assert (words.count("✓ supported"), words.count("✗ contradicted")) == (8, 2)
    (legend,) = forest(judged, catalogue["useful"]).legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names[:2] == [f"abs, {FULL}", f"abs, {USUAL}"]


# -- readings and the cosine -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def cells() -> dict[str, pd.DataFrame]:
    """The experiment ``cells`` in two regimes, with the other sign in the second."""
    small = {"seeds": range(10), "rates": (0.25, 0.5)}
    return together(
        cells_tables(**small),
        in_regime(cells_tables(**small, coupling=(-1, -1)), "cross_entropy", 256),
    )


def test_correlations_of_the_cosine_are_those_of_a_regime(cells):
    claim = load_catalogue(ROOT / "config" / "claims.yaml")["cosine-features"]
    found = correlations.correlations(cells, claim)
    of_cosine = found[(found["predictor"] == "cosine") & (found["outcome"] == "soft_rank_gain")]
    signs = (of_cosine.set_index("setting")["estimate"] > 0).to_dict()
    assert signs == {FULL: True, USUAL: False}
    text = cosine_report.correlation_rows(found)
    assert f"| abs, {FULL} |" in text
    assert f"| abs, {USUAL} |" in text
    figure = correlation_forest(cells, evaluate({}, Catalogue(claims=[claim])).claims, claim, found)
    assert len(figure.axes) == 2
    assert not [text for axis in figure.axes for text in axis.texts if "not run" in text.get_text()]


def test_readings_are_judged_in_each_regime(evaluation):
    table = evaluation.readings
    rows = table[(table["claim"] == "useful") & (table["criterion"] == "overall")]
    run = rows[rows["verdict"] != "not run"].groupby(["activation", "setting"])["reading"]
    labels = [f"base scale + {name}" for name in comparisons.SCHEDULES]
    assert {key: list(found) for key, found in run} == {
        (activation, regime): labels for activation in ("abs", "relu") for regime in (FULL, USUAL)
    }
    assert f"| abs, {USUAL} | base scale + taylor |" in report.readings_text(table, "useful")
    axis = reading_matrix(table).axes[0]
    columns = [tick.get_text() for tick in axis.get_xticklabels()]
    assert columns == [f"{name}, {regime}" for name in ("abs", "relu") for regime in (FULL, USUAL)]
    single = reading_matrix(table[table["setting"] == FULL]).axes[0]
    assert [tick.get_text() for tick in single.get_xticklabels()] == ["abs", "relu"]


# -- side by side ----------------------------------------------------------------------------------


@pytest.fixture
def studies(tmp_path, monkeypatch, alone, judged) -> list[str]:
    """Two tables of claims: one regime in the first study, two in the second."""
    monkeypatch.chdir(tmp_path)
    tables = {"small": alone, "large": judged}
    for name, table in tables.items():
        store.write_table("claims", table, f"results/{name}/tables/claims.parquet")
    return [f"results/{name}/tables/claims.parquet" for name in tables]


def test_studies_stand_side_by_side(studies, catalogue):
    lines = scorecard.markdown(studies, catalogue).splitlines()
    assert lines[0] == (
        "| figure | claim | notebook | setting "
        "| small, `abs` | small, `relu` | large, `abs` | large, `relu` |"
    )
    assert lines[1] == "|---" * 8 + "|"
    links = "[small](results/small/figures/useful.png), [large](results/large/figures/useful.png)"
    head = f"| `useful.png`: {links} | {catalogue['useful'].title} (`useful`) "
    notebook = "| `08_usefulness.ipynb` "
    assert lines[-2:] == [
        f"{head}{notebook}| {FULL} | supported | supported | supported | supported |",
        f"{head}{notebook}| {USUAL} | - | - | contradicted | contradicted |",
    ]
    assert [line.split(" | ")[3] for line in lines[2:-2]] == ["initialization", FULL, FULL]


def test_without_a_difference_there_is_no_column_for_the_regime(studies, catalogue):
    alone = scorecard.markdown(studies[:1], catalogue).splitlines()
    assert alone[0] == "| figure | claim | notebook | `abs` | `relu` |"
    assert alone[-1].startswith("| [`useful.png`](results/small/figures/useful.png) | νP and")
    assert alone[-1].endswith("`08_usefulness.ipynb` | supported | supported |")


def test_the_command_takes_several_tables(studies, capsys):
    assert cli.main(["verdicts", *studies]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    assert "useful: " not in first
    assert f"useful: {USUAL}" in second
    assert second.rstrip().endswith("8 supported, 2 contradicted")
    catalogue = str(ROOT / "config" / "claims.yaml")
    assert cli.main(["verdicts", *studies, "--markdown", "--catalogue", catalogue]) == 0
    assert "| small, `abs` |" in capsys.readouterr().out

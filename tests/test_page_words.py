"""What the pages of a study say: ranges, findings, lines, descriptions, readings against claims."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from nup.claims import load_catalogue, ranges
from nup.claims.catalogue import Threshold
from nup.figures import style
from nup.figures.description import describe, described
from nup.figures.scorecard import verdict_table
from nup.report import readings as by_reading
from nup.report.cards import cards
from nup.report.run_summary import summary
from nup.report.strip import strip
from nup.tables import store
from page_reader import figure

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "config" / "claims.yaml"
SHIPPED = ROOT / "results" / "reference" / "laptop" / "tables"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(-inf, 0]", "≤ 0"),
        ("(-inf, -0.5)", "< −0.5"),
        ("[0.3, inf)", "≥ 0.3"),
        ("(0.3, inf)", "> 0.3"),
        ("[-0.35, 0.35]", "−0.35 … 0.35"),
        ("no range", "no range"),
    ],
)
def test_ranges_are_written_in_signs(text, shown):
    assert ranges.readable(text) == shown


def test_every_range_of_the_catalogue_survives_its_table():
    found = [
        each.threshold for claim in load_catalogue(CATALOGUE).claims for each in claim.criteria
    ]
    assert found == [ranges.parsed(str(threshold)) for threshold in found]


def judged_rows(
    verdict: str, criteria: list[tuple], reason: str, reading: str = ""
) -> pd.DataFrame:
    """Rows of one claim; the overall row repeats the last criterion."""
    names = ["criterion", "estimate", "low", "high", "threshold", "n_seeds", "verdict", "reason"]
    rows = [dict(zip(names, row, strict=True)) for row in criteria]
    overall = {**rows[-1], "criterion": "overall", "verdict": verdict, "reason": reason}
    shared = {
        "claim": "eoc-init",
        "reading": reading,
        "activation": "abs",
        "setting": "initialization",
        "provenance": "v1",
        "figure": "eoc-init.png",
        "notebook": "01_initialization.ipynb",
    }
    return pd.DataFrame([{**shared, **row} for row in (overall, *rows)])


@pytest.mark.parametrize(
    ("rows", "sentence", "margin"),
    [
        (
            judged_rows(
                "supported",
                [("a", 0.1, -0.2, 0.25, "[-0.5, 0.35]", 8, "supported", "")],
                "1 of 1 criteria supported",
            ),
            "“a” is 0.1 [−0.2, 0.25] over 8 seeds, within the range −0.5 … 0.35; "
            "1 of 1 criteria supported.",
            "Its interval clears the end by 0.1: shifted by more, it would be open.",
        ),
        (
            judged_rows(
                "inconclusive",
                [("a", 0.1, -0.2, 0.4, "(-inf, 0)", 8, "inconclusive", "the interval crosses 0")],
                "1 of 1 criteria not supported: a",
            ),
            "“a” is 0.1 [−0.2, 0.4] over 8 seeds, across an end of the range < 0; "
            "1 of 1 criteria not supported: a.",
            "At this estimate and spread, about 72 seeds would put this criterion outside its "
            "range.",
        ),
        (
            judged_rows(
                "inconclusive",
                [("a", 0.3, -0.2, 0.8, "[0.29, inf)", 8, "inconclusive", "the interval crosses 0")],
                "1 of 1 criteria not supported: a",
            ),
            "“a” is 0.3 [−0.2, 0.8] over 8 seeds, across an end of the range ≥ 0.29; "
            "1 of 1 criteria not supported: a.",
            "At this estimate and spread, more than 1,000 seeds would put this criterion within "
            "its range.",
        ),
        (
            judged_rows(
                "contradicted",
                [
                    ("a", 1.0, 0.5, 1.5, "[0, inf)", 8, "supported", ""),
                    ("b", -0.6, -0.7, -0.5, "[-0.3, 0.3]", 8, "contradicted", "depth 4"),
                ],
                "1 of 2 criteria contradicted: b",
            ),
            "“b” is −0.6 [−0.7, −0.5] over 8 seeds, outside the range −0.3 … 0.3; "
            "1 of 2 criteria contradicted: b.",
            "Its interval misses the range by 0.2: shifted by more, it would be open.",
        ),
        (
            judged_rows(
                "inconclusive",
                [("a", 0.1, -0.2, 0.4, "(-inf, 0)", 5, "inconclusive", "5 seeds, 8 needed; more")],
                "of 2 readings, inconclusive: x, y",
                reading="x",
            ),
            "Under x: “a” is 0.1 [−0.2, 0.4] over 5 seeds, across an end of the range < 0; "
            "5 seeds, 8 needed; of 2 readings, 1 supported, 1 contradicted.",
            "",
        ),
        (
            judged_rows(
                "inconclusive",
                [
                    ("b", 0.5, 0.4, 0.6, "[0.3, inf)", 8, "supported", ""),
                    ("a", 0.1, -0.2, 0.29, "[0.3, inf)", 8, "contradicted", "negative"),
                ],
                "1 of 2 criteria not supported: a",
            ),
            "“a” is 0.1 [−0.2, 0.29] over 8 seeds, outside the range ≥ 0.3; outside at 95 %, not "
            "at the 5 %/2 that 2 criteria ask for; 1 of 2 criteria not supported: a.",
            "",
        ),
        (
            judged_rows(
                "inconclusive",
                [("a", 0.5, 0.4, 0.6, "[0.3, inf)", 8, "supported", "")],
                "of 2 readings, supported: x; inconclusive: y",
                reading="x",
            ),
            "Under x: “a” is 0.5 [0.4, 0.6] over 8 seeds, within the range ≥ 0.3; within at 95 %, "
            "not at the 5 %/2 that 2 readings ask for; of 2 readings, 1 supported, 1 contradicted.",
            "",
        ),
        (
            judged_rows(
                "supported",
                [("never", 3.0, math.nan, math.nan, "(-inf, 10]", 8, "supported", "")],
                "1 of 1 criteria supported",
            ),
            "“never” is 3 at the worst of 8 seeds, ≤ 10 was asked for; 1 of 1 criteria supported.",
            "",
        ),
        (
            judged_rows(
                "not run",
                [("a", math.nan, math.nan, math.nan, "[0, 1]", 0, "not run", "no runs of μP")],
                "1 of 1 criteria not run: a",
            ),
            "Not run: 1 of 1 criteria not run: a.",
            "",
        ),
    ],
)
def test_a_finding_is_a_sentence_of_its_numbers(tmp_path, rows, sentence, margin):
    readings = pd.concat([rows.assign(verdict=each) for each in ("contradicted", "supported")])
    empty = readings.iloc[:0]
    several = bool(rows["reading"].iloc[0])
    found = cards(rows, readings if several else empty, load_catalogue(CATALOGUE), tmp_path)
    (card,) = found
    assert [(each.sentence, each.margin) for each in card.findings] == [(sentence, margin)]
    assert card.figure == card.section == ""
    assert len(card.rows) == len(rows)


def test_a_claim_that_the_catalogue_lacks_is_of_an_earlier_registration(tmp_path):
    criteria = [("a", 1.0, 0.5, 1.5, "[0, inf)", 8, "supported", "")]
    rows = judged_rows("supported", criteria, "").assign(claim="nup-depth-transfer")
    (card,) = cards(rows, rows.iloc[:0], load_catalogue(CATALOGUE), tmp_path)
    assert card.title == "nup-depth-transfer, a claim of an earlier registration"
    assert (card.quote, card.meanings) == ("", {})


def test_a_card_sums_up_its_activations(tmp_path):
    criteria = [("a", 1.0, 0.5, 1.5, "[0, inf)", 8, "supported", "")]
    rows = [
        judged_rows(verdict, criteria, "").assign(activation=name)
        for name, verdict in (
            ("(1,2)", "supported"),
            ("abs", "supported"),
            ("relu", "contradicted"),
        )
    ]
    joined = pd.concat(rows, ignore_index=True)
    (card,) = cards(joined, joined.iloc[:0], load_catalogue(CATALOGUE), tmp_path)
    assert card.summary == "Supported for abs and (1,2); contradicted for relu."
    assert card.verdict == "contradicted"


def test_places_on_the_line():
    """84 % of the length lie between the least and the greatest number, 8 % at either side."""
    found = strip(0.5, 0.25, 0.75, Threshold(low=0.0, high=1.0))
    assert found is not None
    assert (found.estimate, found.interval, found.range) == (50.0, (29.0, 42.0), (8.0, 84.0))
    assert found.ends == [(8.0, "0"), (92.0, "1")]
    below = strip(2.0, math.nan, math.nan, Threshold(high=1.0))
    assert below is not None
    assert (below.estimate, below.interval, below.range) == (92.0, None, (0.0, 8.0))
    # Numbers over many powers of ten are on a logarithmic line: 10 is in the middle of 0.1 … 1000.
    wide = strip(10.0, 0.1, 1000.0, Threshold(high=10.0))
    assert wide is not None and wide.estimate == 50.0
    assert strip(math.nan, 0.0, 1.0, Threshold(low=0.0)) is None
    assert strip(math.inf, 0.0, 1.0, Threshold(low=0.0)) is None


def test_figures_carry_their_description(tmp_path):
    drawn = figure()
    path = style.save(drawn, tmp_path / "saved.png")
    text = r"Rates against depth. Panels: abs; relu. Axes: \eta best against depth. Legend: νP."
    assert describe(drawn) == described(path) == text
    assert style.save(figure(), tmp_path / "again.png").read_bytes() == path.read_bytes()
    shipped = described(ROOT / "results/reference/laptop/figures/readings.png")
    assert shipped.startswith("Verdicts on every reading of the claims")
    Image.new("RGB", (2, 2)).save(tmp_path / "other.png")
    assert described(tmp_path / "other.png") == ""


def test_a_figure_of_rows_names_them(tmp_path):
    judged = store.read_table("claims", SHIPPED / "claims.parquet")
    drawn = verdict_table(judged, load_catalogue(CATALOGUE))
    text = described(style.save(drawn, tmp_path / "saved.png"))
    assert text.startswith("Verdicts. Columns: abs; relu; (1,2). Rows: eoc-init The Edge of Chaos")
    assert len(text) < 1_000


def test_readings_against_claims():
    readings = store.read_table("readings", SHIPPED / "readings.parquet")
    catalogue = load_catalogue(CATALOGUE)
    found = {matrix.under: matrix for matrix in by_reading.matrices(readings, catalogue)}
    schedules = found["schedule"]
    assert schedules.claims == [("catapult-prolonged", catalogue["catapult-prolonged"].title)]
    # As `nup verdicts --by-reading` prints it of the same table: ?✓, ✗✗ and ✗✗.
    assert schedules.lines == [
        ("sharpness", [{"abs": "inconclusive", "relu": "supported"}]),
        ("taylor", [{"abs": "contradicted", "relu": "contradicted"}]),
        ("polyak", [{"abs": "contradicted", "relu": "contradicted"}]),
    ]
    ideas, conclusions = by_reading.ideas(readings, catalogue)
    assert [idea.sentence for idea in ideas] == [idea.sentence for idea in catalogue.ideas]
    assert ("sharpness", {"abs": "inconclusive", "relu": "supported"}) in ideas[2].lines
    assert set(conclusions) == {"abs", "relu"}


def test_an_empty_study_says_so(tmp_path):
    assert summary(tmp_path).facts == [("Training", "no runs")]


def test_what_a_study_ran_is_counted(tmp_path):
    runs = store.read_table("runs", SHIPPED / "runs.parquet").head(40)
    store.write_table(
        "runs", runs.assign(commit=["a"] * 30 + ["b"] * 10), tmp_path / "runs.parquet"
    )
    found = summary(tmp_path)
    assert dict(found.facts)["Commit"] == "a (30 runs), b (10 runs)"
    assert dict(found.facts)["torch"] == "2.13.0+cpu"
    rows = dict(zip([row[0] for row in found.experiments], found.experiments, strict=True))
    assert {name: int(row[1]) for name, row in rows.items()} == dict(
        runs["experiment"].value_counts()
    )


def test_a_card_says_what_its_deciding_criteria_ask(tmp_path):
    judged = store.read_table("claims", SHIPPED / "claims.parquet")
    row = {"claim": "cosine-features", "activation": "abs", "setting": "mse, full batch"}
    rows = judged_rows(
        "inconclusive",
        [("cosine and alignment", 0.1, -0.2, 0.29, "[0.3, inf)", 8, "contradicted", "")],
        "of 4 readings, inconclusive: soft rank",
        reading="soft rank",
    ).assign(**row, figure=judged["figure"].iloc[0])
    (card,) = cards(rows, rows.iloc[:0], load_catalogue(CATALOGUE), tmp_path)
    ((name, what),) = card.meanings.items()
    assert name == "“cosine and alignment”, soft rank"
    # "The same for …" alone would say nothing.
    assert what.startswith("Within cells of fixed net, depth and rate")
    assert what.endswith(". The same for the gain in kernel alignment")

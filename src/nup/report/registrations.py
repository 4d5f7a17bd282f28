"""The first registration's verdicts beside the second's, on the same data.

The first one is frozen in a file of rows as its table of claims held them; the second is evaluated
on the tables. What follows is the page ``docs/registrations.md``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from nup import inputs
from nup.claims import markdown
from nup.claims.estimators.depth import slopes_by_seed
from nup.claims.evaluation import OVERALL
from nup.claims.learning_rates import CUTOFF, LEAST_DEPTH, grid_runs, rate_table
from nup.claims.run_selection import NotRun, by_regime
from nup.errors import UserError

#: Columns of the first registration's rows that the page needs.
_COLUMNS = (
    "study",
    "claim",
    "activation",
    "setting",
    "criterion",
    "verdict",
    "estimate",
    "low",
    "high",
)

#: Claim of the first registration → claims of the second that took its place, and what changed.
SUCCESSORS: dict[str, tuple[tuple[str, ...], str]] = {
    "eoc-init": (("eoc-init",), "interval"),
    "depth-needs-help": (
        ("depth-needs-help",),
        "cutoff, depth 2, interval; a rate divided by the depth is no evidence",
    ),
    "nup-depth-transfer": (
        ("nup-stable-rate", "nup-best-rate"),
        "comparator, cutoff, depth 2, interval; two claims, five readings",
    ),
    "nup-regular-evolution": (
        ("nup-regular-evolution",),
        "comparator, depth 2, interval; slopes in log k",
    ),
    "cosine-phases": (("cosine-phases",), "interval; shuffled null; 200 steps a phase"),
    "catapult-ends": (("catapult-ends",), "rises, cutoff, interval"),
    "catapult-prolonged": (("catapult-prolonged",), "rises, interval; one schedule is enough"),
    "edge-of-stability": (
        ("edge-of-stability",),
        "rate by rate, below 2/λ_0; 10 records at odd distances",
    ),
    "ntk-concentration": (("ntk-concentration",), "interval"),
    "ntk-spectrum": (("ntk-spectrum",), "interval; one criterion on the condition number"),
    "width-settled": (("width-settled",), "interval, cutoff; movement at a fixed rate"),
    "growth-matters": (
        ("growth-matters",),
        "comparator, depth 2, interval; a margin of 0.25, equal parameters throughout",
    ),
    "cosine-features": (("cosine-features",), "within cells; needs runs of its own"),
    "beyond-edge": (("beyond-edge",), "cutoff, interval; λ without ξ; four scalings"),
    "quadratic-in-tandem": (("quadratic-in-tandem",), "comparator, cutoff; a ratio of 1.5"),
    "soft-rank": (("soft-rank",), "interval; with ξ alone; four ranks"),
    "sharpness-regularized": (("sharpness-regularized",), "λ without ξ, the Hessian's too"),
    "useful": (("useful",), "comparator, interval; one schedule is enough"),
}


def verdict_rows(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Overall verdicts under both registrations, with what changed between them.

    Args:
        first: rows of the first registration's table of claims.
        second: the table ``claims`` of the second, on the same data.

    Returns:
        One row per claim of the first, activation, setting and successor.
    """
    old, new = (table[table["criterion"] == OVERALL] for table in (first, second))
    verdicts = new.set_index(["claim", "activation", "setting"]).to_dict("index")
    rows = []
    for row in old.fillna({"setting": ""}).itertuples():
        successors, changed = SUCCESSORS[str(row.claim)]
        for claim in successors:
            key = (claim, row.activation, row.setting)
            found = verdicts.get(key)
            rows.append(
                {
                    "claim": row.claim,
                    "judged for": f"{row.activation!s}, {row.setting!s}",
                    "first": row.verdict,
                    "now": claim if claim != row.claim else "",
                    "second": "–" if found is None else found["verdict"],
                    "what changed": changed,
                    "why": "" if found is None else found["reason"],
                }
            )
    return pd.DataFrame(rows)


def slope_steps(tables: Mapping[str, pd.DataFrame], first: pd.DataFrame) -> pd.DataFrame:
    """The slope of νP's largest stable rate, changed one rule at a time.

    Args:
        tables: ``runs`` of a study with the experiment ``depth``.
        first: rows of the first registration's table of claims.

    Returns:
        One row per activation and setting: the first registration's slope (grid points, depths
        from 2, cutoff 0.95) with its interval, then interpolated over depths from ``LEAST_DEPTH``,
        then at ``CUTOFF``, with the scatter over seeds.
    """
    named = first[first["criterion"] == "slope of the largest stable LR"]
    rows = []
    for old in named.itertuples():
        for selection in by_regime(tables, "depth", str(old.activation)):
            if selection.regime_label != old.setting:
                continue
            row = {"judged for": f"{old.activation!s}, {old.setting!s}"}
            row["first: grid points, depths from 2, cutoff 0.95"] = _interval(old)
            for cutoff in (0.95, CUTOFF):
                name = f"interpolated, depths from {LEAST_DEPTH}, cutoff {cutoff:g}"
                try:
                    runs = grid_runs(selection, "nup(r=2)")
                except NotRun as outcome:
                    row[name] = f"not run: {outcome}"
                    continue
                found = rate_table(runs, "largest stable", cutoff=cutoff)
                slopes = slopes_by_seed(found[found["problem"] == ""], "learning_rate")
                row[name] = f"{markdown.signed(slopes.mean())} (seeds {_span(slopes)})"
            rows.append(row)
    return pd.DataFrame(rows)


def page(
    first: pd.DataFrame, studies: Mapping[str, tuple[Mapping[str, pd.DataFrame], pd.DataFrame]]
) -> str:
    """The page ``docs/registrations.md``.

    Args:
        first: rows of the first registration with a column ``study``.
        studies: name → its tables, and its table ``claims`` under the second registration.

    Returns:
        Markdown.
    """
    parts = [_HEAD]
    for study, (tables, second) in studies.items():
        own = first[first["study"] == study]
        parts += [f"## {study}", markdown.table(verdict_rows(own, second).astype(str))]
        steps = slope_steps(tables, own)
        if not steps.empty:
            parts += ["Slope of νP's largest stable rate, one rule after the other:"]
            parts += [markdown.table(steps.astype(str))]
    return "\n\n".join(parts) + "\n"


def read_first(path: str | Path) -> pd.DataFrame:
    """The frozen rows of the first registration.

    Raises:
        UserError: there is no such file, or it holds something else.
    """
    try:
        rows = pd.read_csv(io.StringIO(inputs.read_text(path)), keep_default_na=True)
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: expected a table as .csv, got none: {error}") from error
    if missing := [name for name in _COLUMNS if name not in rows]:
        raise UserError(
            f"{path}: expected rows of a table of claims with a column 'study', got none named "
            f"{', '.join(missing)}; give the path of docs/first-registration.csv"
        )
    return rows.fillna({"setting": "", "reason": ""})


def _interval(row: object) -> str:
    numbers = (getattr(row, name) for name in ("estimate", "low", "high"))
    estimate, low, high = (markdown.signed(number) for number in numbers)
    return f"{estimate} [{low}, {high}]"


def _span(values: pd.Series[float]) -> str:
    if values.empty:
        return "none"
    return " to ".join(markdown.signed(end) for end in (np.min(values), np.max(values)))


_HEAD = """# Two registrations on the same data

The first registration's verdicts ([text](first-registration.md), [rows](first-registration.csv))
beside the second's ([claims.md](claims.md)), both on the tables of the first runs. These have 4
seeds (catapult 6, useful 5, kernels 16 to 64), and the second registration asks for 8: most of
its verdicts here are *inconclusive* for that reason alone. The first registration drew percentile
intervals over these few seeds, which cover 81 % instead of 95 %. Fair controls, rates about the
edge and further readings were not run then: they are *not run* here. Tables and figures of the
first runs stay in the history of the repository: `git show 0c274f1:results/reference/`.

What changed, in the words of the table: *comparator*, constant widths with as many parameters and
the same scale M take the place of μP with a scale of its own; *interval*, Student's t takes that
of the percentile bootstrap; *cutoff*, a stable run ends below 0.7 of the constant predictor's
loss, not 0.95; *rises*, climbs of the loss above what it had reached take the place of max/min,
which counted descent; *depth 2*, nets with one hidden layer are all the same net and no point of
a line through depth.

Generated by `nup registrations`."""

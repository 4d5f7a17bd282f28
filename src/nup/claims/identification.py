"""Which readings make the paper's sentences true together: inverse replication. [operational]

The paper leaves formulas open. Where several readings are judged, the question is not which one is
right, but under which of them an *idea* of the paper (several claims, in ``config/claims.yaml``)
holds as a whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from nup.claims import markdown, verdicts
from nup.claims.catalogue import Catalogue, Claim
from nup.claims.evaluation import OVERALL


def ideas(readings: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """The verdict on every idea under each of its readings.

    A claim is taken over all its settings: it is supported if it is in each, and contradicted if it
    is in one. An idea is supported under a reading if all its claims are, and contradicted if one
    is; a claim with one reading counts under each.

    Args:
        readings: the table ``readings``.
        catalogue: the ideas and their claims.

    Returns:
        Columns ``idea``, ``reading``, ``activation``, ``verdict`` and ``open``, the claims that
        are not supported. Claims that were not run are left out; so is an idea without any other.
    """
    overall = readings[(readings["criterion"] == OVERALL) & (readings["verdict"] != "not run")]
    rows = []
    for idea in catalogue.ideas:
        of_idea = overall[overall["claim"].isin(idea.claims)]
        for activation, found in of_idea.groupby("activation"):
            labels = [label for label in dict.fromkeys(found["reading"]) if label] or [""]
            for label in labels:
                own = found[found["reading"].isin([label, ""])]
                by_claim = own.groupby("claim")["verdict"].agg(verdicts.all_of)
                rows.append(
                    {
                        "idea": idea.sentence,
                        "reading": label,
                        "activation": activation,
                        "verdict": verdicts.all_of(by_claim),
                        "open": ", ".join(
                            f"{claim} {by_claim[claim]}"
                            for claim in idea.claims
                            if by_claim.get(claim, verdicts.SUPPORTED) != verdicts.SUPPORTED
                        ),
                    }
                )
    return pd.DataFrame(rows, columns=["idea", "reading", "activation", "verdict", "open"])


def ideas_text(found: pd.DataFrame) -> str:
    """Markdown: a line for each idea, reading and activation of ``ideas``."""
    shown = found.rename(columns={"open": "what is not supported"})
    return markdown.table(shown.assign(verdict="**" + shown["verdict"] + "**"))


def together(found: pd.DataFrame, catalogue: Catalogue) -> str:
    """Markdown: under which readings all ideas hold together, for each activation.

    Args:
        found: what ``ideas`` returned.
        catalogue: the ideas.
    """
    lines = []
    for activation, rows in found.groupby("activation", sort=False):
        named = _named(rows, catalogue)
        details = [
            "; ".join(f"{verdict} under {', '.join(each[verdict])}" for verdict in each)
            or f"not run: {', '.join(idea.claims)}"
            for idea, each in zip(catalogue.ideas, named, strict=True)
        ]
        lines.append(f"- `{activation}`: **{_conclusion(named)}**.")
        lines += [f"    {place}. {text}." for place, text in enumerate(details, 1)]
    return "\n".join(lines)


def conclusions(found: pd.DataFrame, catalogue: Catalogue) -> dict[str, str]:
    """Activation → whether a set of readings makes all ideas true together.

    Args:
        found: what ``ideas`` returned.
        catalogue: the ideas.
    """
    return {
        str(activation): _conclusion(_named(rows, catalogue))
        for activation, rows in found.groupby("activation", sort=False)
    }


def _named(rows: pd.DataFrame, catalogue: Catalogue) -> list[dict[str, list[str]]]:
    return [_labels(rows[rows["idea"] == idea.sentence]) for idea in catalogue.ideas]


def _conclusion(named: Sequence[Mapping[str, object]]) -> str:
    if all(verdicts.SUPPORTED in each for each in named):
        return "all ideas hold together"
    if any(set(each) == {verdicts.CONTRADICTED} for each in named):
        return "no set of readings makes all ideas true"
    return "undecided"


def dimensions(catalogue: Catalogue) -> dict[tuple[str, ...], list[Claim]]:
    """The claims by the dimensions of readings under which they are judged; () for none."""
    groups: dict[tuple[str, ...], list[Claim]] = {}
    for claim in catalogue.claims:
        groups.setdefault(tuple(claim.under), []).append(claim)
    return groups


def by_activation(overall: pd.DataFrame, claim: str, reading: str) -> dict[str, str]:
    """Activation (abs, relu, pairs) → the verdict on a claim under a reading, over all settings.

    Args:
        overall: the rows ``overall`` of the table ``readings``.
        claim: its id.
        reading: the label; empty for a claim with one reading.
    """
    own = overall[overall["claim"] == claim]
    rows = own[own["reading"].fillna("") == reading]
    found = rows.groupby("activation")["verdict"].agg(verdicts.all_of)
    names = sorted(found.index, key=lambda name: (name.startswith("("), name))
    return {name: found[name] for name in names}


def _labels(rows: pd.DataFrame) -> dict[str, list[str]]:
    """The readings of an idea by their verdicts, the best verdict first."""
    order = (verdicts.SUPPORTED, verdicts.INCONCLUSIVE, verdicts.CONTRADICTED)
    named = {verdict: rows.loc[rows["verdict"] == verdict, "reading"] for verdict in order}
    return {
        verdict: [label or "its one reading" for label in labels]
        for verdict, labels in named.items()
        if len(labels)
    }


def telling(readings: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """For each idea, the criterion that tells two readings apart best that are not contradicted.

    The distance of two readings in a criterion is the difference of their estimates over the
    length of both half intervals, √(h² + h′²): beyond 1 they differ. Of every pair the criterion
    with the largest distance is told.

    Args:
        readings: the table ``readings``.
        catalogue: the ideas and their claims.

    Returns:
        Columns ``idea``, ``activation``, ``one``, ``other``, ``claim``, ``criterion``,
        ``difference`` and ``distance``.
    """
    judged = ideas(readings, catalogue)
    remaining = judged[judged["verdict"] != verdicts.CONTRADICTED]
    rows = []
    for (sentence, activation), group in remaining.groupby(["idea", "activation"], sort=False):
        idea = next(each for each in catalogue.ideas if each.sentence == sentence)
        criteria = readings[
            readings["claim"].isin(idea.claims)
            & (readings["activation"] == activation)
            & (readings["criterion"] != OVERALL)
        ]
        for one, other in itertools.combinations(group["reading"], 2):
            best = _furthest(criteria, one, other)
            if best is not None:
                rows.append(
                    {"idea": sentence, "activation": activation, "one": one, "other": other, **best}
                )
    columns = ["idea", "activation", "one", "other", "claim", "criterion", "difference", "distance"]
    return pd.DataFrame(rows, columns=columns)


def telling_text(found: pd.DataFrame) -> str:
    """Markdown: the rows of ``telling``."""
    if found.empty:
        return "No two readings remain to be told apart."
    shown = {
        "idea": found["idea"],
        "judged for": found["activation"],
        "readings": found["one"] + " – " + found["other"],
        "criterion": "`" + found["claim"] + "`: " + found["criterion"],
        "difference": found["difference"].map(markdown.signed),
        "in half intervals": found["distance"].map(markdown.number),
    }
    return markdown.table(pd.DataFrame(shown))


def _furthest(criteria: pd.DataFrame, one: str, other: str) -> dict[str, object] | None:
    """The criterion in which two readings are furthest from each other; None without a common."""
    keys = ["claim", "setting", "criterion"]
    numbers = ["estimate", "low", "high"]
    sides = [criteria.loc[criteria["reading"] == label, keys + numbers] for label in (one, other)]
    both = sides[0].merge(sides[1], on=keys, suffixes=("", "_other"))
    half, half_other = (
        (both[f"high{side}"] - both[f"low{side}"]).astype("float64") / 2 for side in ("", "_other")
    )
    both["difference"] = (both["estimate"] - both["estimate_other"]).astype("float64")
    both["distance"] = both["difference"].abs() / (half**2 + half_other**2) ** 0.5
    known = both[both["distance"] < math.inf]
    if known.empty:
        return None
    best = known.sort_values("distance").iloc[-1]
    return {name: best[name] for name in ("claim", "criterion", "difference", "distance")}

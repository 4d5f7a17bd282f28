"""Markdown of frames whose cells are text."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd


def table(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table without its index, and without the padding of its columns.

    Args:
        frame: cells and column names are text or whole numbers; a missing value is an empty cell.
    """
    padded = frame.map(_cell).to_markdown(index=False, disable_numparse=True)
    return re.sub(" {2,}", " ", padded)


def number(value: Any) -> str:
    """Three significant digits, or a dash for a missing value."""
    return f"{value:.3g}" if pd.notna(value) else "–"


def signed(value: Any) -> str:
    """``number`` with its sign, a true minus included."""
    return f"{value:+.3g}".replace("-", "−") if pd.notna(value) else "–"


def _cell(value: Any) -> str:
    return "" if pd.isna(value) else str(value).replace("|", "\\|")

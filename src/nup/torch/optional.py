"""Packages that tables and plots need, and training does not."""

from __future__ import annotations

import importlib
from typing import Any

from nup.errors import UserError


def optional(name: str) -> Any:
    """The module of this name.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name.partition(".")[0]:
            raise
        raise UserError(
            f"expected the package {name.partition('.')[0]} for tables and plots, got none; "
            "pip install 'nup[study]'"
        ) from None

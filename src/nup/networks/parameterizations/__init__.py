"""The shipped parameterizations, one module for each family."""

from __future__ import annotations

from nup.networks.parameterization import PARAMETERIZATIONS

__all__ = ["PARAMETERIZATIONS"]

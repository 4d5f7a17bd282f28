"""Modules are drawn alike in every call of the tests, also where no seed is given."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _drawn_alike():
    torch.manual_seed(0)

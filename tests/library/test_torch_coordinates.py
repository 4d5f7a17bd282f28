"""How far layers move over width and depth, in every parameterization, under SGD and AdamW.

Slopes of log2 of the largest relative change of a hidden layer after two steps. The laws are those
of wide nets and small rates [lit] [derived]; what is allowed around them is for widths 16 to 128,
depths 3 to 12 and the mean of a few seeds. docs/library.md has the table.
"""

import re
from pathlib import Path

import pytest
import torch

from nup import torch as nt
from nup.networks.parameterization import PARAMETERIZATIONS

ROOT = Path(__file__).parents[2]
RATES = {"sgd": 0.01, "adamw": 0.004}
#: At a smaller rate the change of so narrow nets has not begun to grow with width.
STANDARD = {"sgd": 0.05, "adamw": 0.004}

#: Parameterization → least and largest slope: of the change in width, of the change in depth, and
#: of what layers do by themselves (`own`) in depth.
LAWS = {
    # μP keeps changes; in depth each layer passes on what those before it did.
    "mup": ((-0.25, 0.1), (1.3, 2.1), (0.0, 0.6)),
    # η/l takes one power of depth from it.
    "mup_inverse_depth": ((-0.25, 0.1), (0.4, 1.1), (-1.0, -0.3)),
    # Branches of size 1/√l keep what layers do, and add little.
    "mup_residual": ((-0.25, 0.1), (0.1, 0.7), (-0.4, 0.3)),
    # Layer k moves by 1/k of the first: that is the largest, and their sum grows like log l.
    "nup": ((-0.25, 0.1), (0.4, 1.0), (-0.3, 0.2)),
    # Features freeze like m^(-1/2).
    "ntp": ((-0.75, -0.35), (1.4, 2.3), (0.0, 0.8)),
    # Changes grow with width, like its root and more.
    "sp": ((0.4, 1.2), (0.9, 1.8), (-0.2, 0.6)),
}


def slopes(name, optimizer, widths, depths, axis, *quantities):
    def make(depth, width):
        return nt.mlp(name, depth=depth, width=width, d_in=16, d_out=4, activation="abs")

    torch.manual_seed(0)  # of the initial weights
    lr = (STANDARD if name == "sp" else RATES)[optimizer]
    options = {"lr": lr, "optimizer": optimizer, "seeds": 6, "steps": 2}
    check = nt.coord_check(make, widths, depths, **options)
    return [check.slope(axis, quantity) for quantity in quantities]


def test_every_parameterization_has_its_law():
    assert set(LAWS) == set(PARAMETERIZATIONS)


@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("name", LAWS)
def test_layers_move_by_their_law_over_width(name, optimizer):
    (least, most), *_ = LAWS[name]
    (found,) = slopes(name, optimizer, (16, 32, 64, 128), (3,), "width", "change")
    assert least <= found <= most


@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("name", LAWS)
def test_layers_move_by_their_law_over_depth(name, optimizer):
    _, *laws = LAWS[name]
    found = slopes(name, optimizer, (16,), (3, 6, 12), "depth", "change", "own")
    for slope, (least, most) in zip(found, laws, strict=True):
        assert least <= slope <= most


def test_the_documented_slopes_are_those_held():
    text = (ROOT / "docs" / "library.md").read_text()
    number = r"(−?[\d.]+)"
    rows = re.findall(rf"^\| `(\w+)` \|{f' {number} … {number} [|]' * 3}", text, re.MULTILINE)
    shown = {
        name: tuple(
            (float(low.replace("−", "-")), float(high.replace("−", "-")))
            for low, high in zip(values[::2], values[1::2], strict=True)
        )
        for name, *values in rows
    }
    assert shown == LAWS

"""The example in one's own loop runs, on data that need no download."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nup import parameterization

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "examples" / "fashion_mnist.py"


def run(folder, *options):
    return subprocess.run(
        [sys.executable, str(PAGE), *options],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def rows(done):
    """(net, width, optimizer) → (best rate, loss, accuracy)."""
    assert done.returncode == 0, done.stderr
    pattern = r"^(\w+) +(\d+)  (\w+) +([\d.e+]+) +([\d.]+|nan) +([\d.]+|nan)$"
    return {
        (name, int(width), optimizer): tuple(map(float, numbers))
        for name, width, optimizer, *numbers in re.findall(pattern, done.stdout, re.MULTILINE)
    }


def test_a_quick_run_learns_and_draws(tmp_path):
    found = rows(run(tmp_path, "--quick", "--data", "digits", "--steps", "20"))
    assert len(found) == 6
    chance = 2.303
    assert all(loss < chance for _, loss, _ in found.values())
    assert all(0 <= accuracy <= 1 for _, _, accuracy in found.values())
    assert (tmp_path / "sixteen-layers.png").stat().st_size > 10_000
    shape = {"depth": 4, "d_in": 64, "d_out": 10}
    counts = {
        name: parameterization(name, width=width, **shape).n_parameters for name, width, _ in found
    }
    assert counts["mup"] == counts["mup_residual"] == pytest.approx(counts["nup"], rel=0.1)


def test_a_net_that_diverges_at_every_rate_is_a_row(tmp_path):
    code = (
        "import runpy, sys\n"
        f"page = runpy.run_path({str(PAGE)!r})\n"
        "page['RATES'].update(sgd=[1e12], adamw=[1e12])\n"
        "sys.argv = ['', '--quick', '--data', 'digits', '--figure', '']\n"
        "page['main']()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    found = rows(done)
    assert len(found) == 6
    assert done.stdout.endswith("seconds; no figure\n")


def test_its_data_set_is_one_of_ours():
    from nup.data.sources import SOURCES

    (named,) = re.findall(r'"--data", default="([\w-]+)"', PAGE.read_text())
    assert named in SOURCES

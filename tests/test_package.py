"""What ``import nup`` costs and gives."""

import re
import subprocess
import sys
from pathlib import Path

import nup
from nup.errors import UserError


def run_python(code: str) -> str:
    """Standard output of a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_is_light():
    heavy = ["torch", "numpy", "pandas", "pyarrow", "matplotlib", "scipy", "sklearn", "snakemake"]
    code = f"import nup, sys; print([name for name in {heavy} if name in sys.modules])"
    assert run_python(code) == "[]"


def test_a_job_imports_nothing_that_it_does_not_use():
    # SciPy's BLAS is what compiled kernels call, and numba reads YAML.
    others = ["scipy.stats", "sklearn", "matplotlib", "seaborn", "pydantic", "sympy"]
    code = (
        "import sys\nfrom nup.data import datasets\nfrom nup.jobs import execute\n"
        "from nup.specs import DataSpec\nfrom nup.training import loop\n"
        "datasets.load(DataSpec('digits'))\n"
        f"print([name for name in {others} if name in sys.modules])"
    )
    assert run_python(code) == "[]"


def test_planning_imports_neither_torch_nor_pandas():
    code = (
        "import sys\nfrom nup.jobs import plan, provenance\nfrom nup.study import grid, load\n"
        "print([name for name in ['torch', 'pandas', 'pyarrow'] if name in sys.modules])"
    )
    assert run_python(code) == "[]"


def test_parameterization_is_the_function():
    resolved = nup.parameterization("nup", depth=3, width=4, d_in=5, d_out=2)
    assert resolved.widths == (5, 4, 16, 2)


def test_version_has_one_source():
    root = Path(__file__).parents[1]
    assert re.fullmatch(r"\d+\.\d+\.\d+", nup.__version__)
    assert 'dynamic = ["version"]' in (root / "pyproject.toml").read_text()
    assert f"version: {nup.__version__}" in (root / "CITATION.cff").read_text()
    assert f"## [{nup.__version__}]" in (root / "CHANGELOG.md").read_text()


def test_user_errors_are_value_errors():
    assert issubclass(UserError, ValueError)

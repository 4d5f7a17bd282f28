"""Every block of the documentation that a reader would paste is run, or its commands are read.

Python runs as it stands, in a folder with what its text speaks of. Of a command the program's own
parser reads the arguments; training from the command line is tested elsewhere (test_cli.py).
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nup import cli
from nup.study.load import check

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "config" / "README.md",
                 *(ROOT / "docs").glob("*.md"))
)  # fmt: skip
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    (page, number, *found.groups())
    for page in PAGES
    for number, found in enumerate(BLOCK.finditer((ROOT / page).read_text()))
]
#: What the text around a block has said that the reader has.
GIVEN = {
    # The shipped tables, as a study of today would write them.
    ("docs/results.md", "read_parquet"): f"""
from nup.tables import store
runs = store.read_table("runs", {str(ROOT / "results/reference/laptop/tables/runs.parquet")!r})
store.write_table("runs", runs, "results/laptop/tables/runs.parquet")
""",
    ("docs/library.md", "loader"): """
import torch
probe = (torch.randn(32, 784), torch.randint(10, (32,)))
loader = [(torch.randn(16, 784), torch.randint(10, (16,))) for _ in range(3)]
""",
}
#: Blocks that are no commands: how folders lie, and how data go from one to another.
PICTURES = ("Snakefile  ", "config/<study>.yaml →")
#: Programs of others, which need a package index, a cluster, or hours.
OTHERS = {"npm", "mkdir", "tar", "export", "pip", "git", ".", "rsync"}


def name(block):
    page, number, language, _ = block
    return f"{page}-{number}-{language or 'commands'}"


def of(*languages):
    chosen = [block for block in BLOCKS if block[2] in languages]
    return pytest.mark.parametrize("block", chosen, ids=name)


def test_every_block_is_of_a_kind_that_is_tested():
    # Those of bash are run on a cluster: tests/workflow/test_slurm.py.
    assert {page for page, _, language, _ in BLOCKS if language == "bash"} == {"docs/cluster.md"}
    assert {language for _, _, language, _ in BLOCKS} == {"", "python", "yaml", "bash"}
    assert len(BLOCKS) > 15


@of("python")
def test_python_runs(block, tmp_path):
    page, _, _, text = block
    given = [code for (where, word), code in GIVEN.items() if where == page and word in text]
    code = "\n".join([*given, text])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@of("yaml")
def test_yaml_is_a_grid_of_a_study(block):
    nets = {"data": "digits", "depth": 2, "width": 4, "steps": 1, "learning_rate": 0.1}
    grids = yaml.safe_load(block[3])
    check({"study": "s", "defaults": nets, "experiments": {"e": {"grids": grids}}}, block[0])


@of("")
def test_commands_are_understood(block, capsys):
    if block[3].startswith(PICTURES):
        return
    lines = [shlex.split(line, comments=True) for line in block[3].splitlines()]
    for words in filter(None, lines):
        program, *arguments = words
        if program not in OTHERS:
            KNOWN[program](arguments)


def _nup(arguments):
    options = cli.parser(arguments[0]).parse_args(arguments)
    assert options.name == arguments[0]


def _make(arguments):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = [word for word in arguments if "=" not in word]
    assert named and set(named) <= set(targets)


def _snakemake(arguments):
    from snakemake.cli import get_argument_parser

    # What the executor of clusters adds is not installed here.
    own = [word for word in arguments if not word.startswith("--slurm")]
    profile = "--profile" in own and own[own.index("--profile") + 1]
    assert not profile or (ROOT / "workflow" / "profiles" / profile / "config.yaml").exists()
    own = ["1" if word == "N" else word for word in own]
    parsed = get_argument_parser().parse_args(own)
    assert all("=" in word for word in parsed.config or [])


def _python(arguments):
    assert (ROOT / arguments[0]).is_file() or arguments[0] == "-m"


KNOWN = {
    "nup": _nup,
    "make": _make,
    "snakemake": _snakemake,
    "python": _python,
}

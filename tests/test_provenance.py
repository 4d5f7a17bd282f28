import json
import subprocess
import sys

import pytest

from nup.errors import UserError
from nup.jobs import provenance

RUN = """
import json, sys, nup.{module}
{use}
print(json.dumps([name for name in sys.modules if name.split('.')[0] == 'nup']))
"""
TRAIN = """
sys.path.insert(0, 'tests')
from fake_training import run_spec
nup.jobs.execute.train_runs([run_spec(steps=1)], nup.jobs.execute.Session())
"""


@pytest.mark.parametrize(
    ("module", "use"),
    [
        ("job", TRAIN),
        ("tables", ""),
        ("init_table", ""),
        ("phase_job", ""),
        ("claims", ""),
        ("plots", ""),
    ],
)
def test_the_digest_covers_what_a_stage_really_imports(pytestconfig, module, use):
    command = [sys.executable, "-c", RUN.format(module=module, use=use)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=pytestconfig.rootpath
    )
    assert set(json.loads(done.stdout)) <= provenance.imported_modules(f"nup.{module}")


def test_stages_do_not_see_what_they_do_not_need():
    training = provenance.imported_modules("nup.jobs.execute")
    assert "nup.training.loop" in training
    assert "nup.initialization.signals" not in training
    assert "nup.phases.threshold_search" not in training
    assert not any(name.startswith(("nup.claims", "nup.figures", "nup.cli")) for name in training)
    tables = provenance.imported_modules("nup.tables.collect")
    assert "nup.training.loop" not in tables
    for stage in ("nup.claims", "nup.figures"):
        assert provenance.imported_modules(stage).isdisjoint(
            {"nup.training.loop", "nup.jobs.execute"}
        )


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package ``nup`` of a few files: a imports b lazily, b imports pack.c; d stands alone."""
    (tmp_path / "pack").mkdir()
    for name, source in {
        "__init__.py": "",
        "a.py": "def late():\n    from nup import b\n",
        "b.py": "from .pack import c\nimport json\n",
        "pack/__init__.py": "",
        "pack/c.py": "",
        "d.py": "import nup.pack.c\n",
    }.items():
        (tmp_path / name).write_text(source)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    provenance._direct_imports.cache_clear()
    yield tmp_path
    provenance._direct_imports.cache_clear()


def test_imports_are_followed_through_packages_and_functions(package):
    assert provenance.imported_modules("nup.a") == {
        "nup",
        "nup.a",
        "nup.b",
        "nup.pack",
        "nup.pack.c",
    }
    assert provenance.imported_modules("nup.d") == {"nup", "nup.d", "nup.pack", "nup.pack.c"}


def test_an_edit_changes_the_digest_of_its_importers_alone(package):
    before = {name: provenance.code_digest(f"nup.{name}") for name in "abd"}
    (package / "b.py").write_text("from .pack import c  # edited\n")
    after = {name: provenance.code_digest(f"nup.{name}") for name in "abd"}
    assert {name for name in "abd" if before[name] != after[name]} == {"a", "b"}


def test_notebooks_count_with_what_they_import(package, tmp_path):
    path = tmp_path / "figures.ipynb"
    cells = [
        {"cell_type": "markdown", "source": ["import nup.a"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "from nup import d"]},
    ]
    path.write_text(json.dumps({"cells": cells}))
    assert provenance.imported_modules(path) == {"nup", "nup.d", "nup.pack", "nup.pack.c"}
    before = provenance.code_digest(path)
    path.write_text(json.dumps({"cells": cells[1:]}))
    assert provenance.code_digest(path) != before


def test_unknown_modules_are_refused():
    with pytest.raises(UserError, match=r"expected a module of nup .*, got 'nup\.nothing'"):
        provenance.imported_modules("nup.nothing")


def test_the_commit_of_a_checkout_and_of_no_checkout(tmp_path):
    package = tmp_path / "repository" / "nup"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    assert provenance.commit_state(package) == ("", False)

    def git(*arguments):
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(
            ["git", *identity, "-C", str(tmp_path / "repository"), *arguments], check=True
        )

    git("init", "--quiet")
    assert provenance.commit_state(package) == ("", False)
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    commit, dirty = provenance.commit_state(package)
    assert (len(commit), dirty) == (40, False)
    (package / "__init__.py").write_text("# edited")
    assert provenance.commit_state(package) == (commit, True)


def test_versions():
    columns = provenance.environment()
    assert columns["torch_version"].startswith("2.")
    assert columns["python_version"].count(".") == 2
    assert provenance.installed("no-such-package") == ""

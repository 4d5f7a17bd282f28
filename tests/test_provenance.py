import json
import subprocess
import sys
from dataclasses import replace

import pytest

from fake_training import run_spec
from nup.errors import UserError
from nup.jobs import entries, kinds, provenance
from nup.registry import Entry, Registry, plugin_files
from nup.specs import InitSpec, PhaseSpec, ScheduleSpec

RUN = """
import json, sys, {module}
{use}
print(json.dumps([name for name in sys.modules if name.split('.')[0] == 'nup']))
"""
TRAIN = """
sys.path.insert(0, 'tests')
from fake_training import run_spec
from nup.jobs.execute import Session
nup.jobs.training.execute([run_spec(steps=1)], Session())
"""


def packages_of_entries():
    """Modules that a registry imports whether a run uses their entries or not."""
    names = ("PARAMETERIZATIONS", "SOURCES", "SCHEDULES", "SCALINGS", "OPTIMIZERS", "OBSERVABLES")
    registries = [getattr(entries, name) for name in names]
    return provenance.imported_modules(
        *(f"{registry.package}.*" for registry in registries if registry.package)
    )


@pytest.mark.parametrize(
    ("module", "use"),
    [
        ("nup.jobs.training", TRAIN),
        ("nup.tables.collect", ""),
        ("nup.jobs.initialization", ""),
        ("nup.jobs.phases", ""),
        ("nup.claims", ""),
        ("nup.figures", ""),
    ],
)
def test_the_digest_covers_what_a_stage_really_imports(pytestconfig, module, use):
    command = [sys.executable, "-c", RUN.format(module=module, use=use)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=pytestconfig.rootpath
    )
    expected = provenance.imported_modules(module)
    if use:
        expected |= packages_of_entries()
    assert set(json.loads(done.stdout)) <= expected


def test_stages_do_not_see_what_they_do_not_need():
    training = provenance.imported_modules(entries.TRAINING)
    assert "nup.training.loop" in training
    others = ("claims", "figures", "cli", "initialization", "phases", "study")
    assert not any(name.startswith(tuple(f"nup.{part}" for part in others)) for name in training)
    assert "nup.jobs.plan" not in training
    tables = provenance.imported_modules("nup.tables.collect")
    assert "nup.training.loop" not in tables
    for stage in ("nup.claims", "nup.figures"):
        assert provenance.imported_modules(stage).isdisjoint(
            {"nup.training.loop", "nup.jobs.training"}
        )


def test_a_process_reads_the_imports_once():
    forget()
    for module in ("nup.claims", "nup.report.notebook", *(k.entry for k in kinds.KINDS.values())):
        provenance.code_digest(module)
    assert provenance._graph.cache_info().misses == 1
    assert provenance._file_digest.cache_info().misses <= len(provenance._graph().modules)


FILES = {
    "__init__.py": "",
    "a.py": "def late():\n    from sample import b\n",
    "b.py": "from .pack import c\nimport json\n",
    "pack/__init__.py": "",
    "pack/c.py": "",
    "d.py": "import sample.pack.c\n",
    "e.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sample import d\n",
    "training.py": "from sample import rules\n",
    "rules/__init__.py": "",
    "rules/plain.py": "from sample import d\n",
    "rules/other.py": "",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package ``sample`` of a few files: a imports b lazily, b imports pack.c; d stands alone."""
    for name, source in FILES.items():
        path = tmp_path / "sample" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(provenance, "PACKAGE", "sample")
    forget()
    yield tmp_path / "sample"
    forget()


def forget():
    """What a process remembers of the files."""
    for name in ("_graph", "_closure", "_file_digest", "_code_digest"):
        getattr(provenance, name).cache_clear()


def digests(*modules):
    forget()
    return {module: provenance.code_digest(f"sample.{module}") for module in modules}


def test_imports_are_followed_through_packages_and_functions(package):
    imported = {
        name: {module.removeprefix("sample.") for module in provenance.imported_modules(name)}
        for name in ("sample.a", "sample.d", "sample.e", "sample.rules.*")
    }
    assert imported == {
        "sample.a": {"sample", "a", "b", "pack", "pack.c"},
        "sample.d": {"sample", "d", "pack", "pack.c"},
        "sample.e": {"sample", "e"},
        "sample.rules.*": {"sample", "rules", "rules.plain", "rules.other", "d", "pack", "pack.c"},
    }


def test_an_edit_changes_the_digest_of_its_importers_alone(package):
    before = digests("a", "b", "d")
    (package / "b.py").write_text("from .pack import c  # edited\n")
    after = digests("a", "b", "d")
    assert {name for name in before if before[name] != after[name]} == {"a", "b"}


def test_notebooks_count_with_what_they_import(package, tmp_path):
    path = tmp_path / "figures.ipynb"
    cells = [
        {"cell_type": "markdown", "source": ["import sample.a"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "from sample import d"]},
    ]
    path.write_text(json.dumps({"cells": cells}))
    names = {"sample", "sample.d", "sample.pack", "sample.pack.c"}
    assert provenance.imported_modules(path) == names
    before = provenance.code_digest(path)
    path.write_text(json.dumps({"cells": cells[1:]}))
    forget()
    assert provenance.code_digest(path) != before


# -- what a run uses -------------------------------------------------------------------------------


@pytest.fixture
def rules(package, monkeypatch):
    """Training of ``sample`` with a registry of two rules, each in a module of its own."""
    registry = Registry("rule")
    for name in ("plain", "other"):
        registry.add(Entry(name, module=f"sample.rules.{name}"))
    monkeypatch.setattr(entries, "TRAINING", "sample.training")
    monkeypatch.setattr(entries, "used", lambda spec: [("rule", registry[spec.schedule.name])])
    return registry


def of_schedule(name):
    forget()
    return entries.run_code_digest(run_spec(schedule=ScheduleSpec(name)))


def test_an_entry_that_a_run_does_not_use_changes_nothing(package, rules):
    before = of_schedule("plain")
    assert before != of_schedule("other")
    (package / "rules" / "other.py").write_text("# edited\n")
    (package / "rules" / "new.py").write_text("# added\n")
    assert of_schedule("plain") == before


@pytest.mark.parametrize("file", ["rules/plain.py", "d.py", "pack/c.py", "training.py"])
def test_what_a_run_uses_counts_with_its_imports(package, rules, file):
    before = of_schedule("plain")
    path = package / file
    path.write_text(path.read_text() + "# edited\n")
    assert of_schedule("plain") != before


def test_a_plugin_counts_with_its_file(package, rules, tmp_path):
    found = []
    for text in ("x = 1\n", "x = 2\n"):
        path = tmp_path / "mine.py"
        path.write_text(text)
        plugin = plugin_files.load(path)
        rules._entries["mine"] = Entry("mine", module=plugin.module)
        found.append(of_schedule("mine"))
    assert found[0] != found[1]


def test_runs_use_the_entries_that_they_name():
    plain = run_spec(data=replace(run_spec().data, name="digits"))
    names = {entry.name for _, entry in entries.used(plain)}
    expected = {"mup", "digits", "constant", "none", "sgd", *plain.record}
    assert names == expected
    cosine = entries.run_code_digest(run_spec(schedule=ScheduleSpec("cosine")))
    assert cosine != entries.run_code_digest(run_spec())


def test_the_code_of_a_job_is_that_of_its_kind_and_its_content():
    run = run_spec()
    net = InitSpec("eoc", run.data, "mup", 3, 4, "abs", 1.0, 0)
    cell = PhaseSpec("depth", run.data, "mup", 3, 4, "abs", 0)
    of = {kinds.TRAINING: run, kinds.INITIALIZATION: net, kinds.PHASES: cell}
    assert len({kind.code_digest([spec]) for kind, spec in of.items()}) == 3
    both = [run, run_spec(schedule=ScheduleSpec("cosine"))]
    assert kinds.TRAINING.code_digest(both) == kinds.TRAINING.code_digest(both[::-1])
    assert kinds.TRAINING.code_digest(both) != kinds.TRAINING.code_digest(both[:1])
    assert kinds.TRAINING.code_digest(both[:1]) == entries.run_code_digest(run)


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

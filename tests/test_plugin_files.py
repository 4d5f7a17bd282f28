"""Plug-ins: loaded once, told from shipped entries, and mistakes in them named with their line."""

import pytest

from nup.errors import UserError
from nup.networks.parameterization import PARAMETERIZATIONS
from nup.registry import plugin_files
from nup.training.schedules import SCHEDULES


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(plugin_files, "_LOADED", {})


def written(folder, source, name="mine.py"):
    path = folder / name
    path.write_text(source)
    return path


SCHEDULE = """
from nup.plugin import Option, schedule

@schedule(power=Option(0.5, low=0.0))
def slow(moment):
    return moment.learning_rate / (moment.step + 1) ** moment.options["power"]
"""


def test_a_plug_in_is_loaded_once_and_known_by_its_digest(tmp_path):
    path = written(tmp_path, SCHEDULE)
    plugin = plugin_files.load(path)
    assert plugin_files.load(path) is plugin
    assert plugin_files.loaded() == [plugin]
    entry = SCHEDULES["slow"]
    assert plugin_files.plugin_of(entry.module) is plugin
    shipped = ("parameterization", PARAMETERIZATIONS["mup"])
    found = plugin_files.digests([("schedule", entry), shipped])
    assert found == {"schedule slow": plugin.digest}


def test_an_edited_plug_in_is_another(tmp_path):
    before = plugin_files.load(written(tmp_path, SCHEDULE)).digest
    del SCHEDULES._entries["slow"]
    plugin_files._LOADED.clear()
    assert plugin_files.load(written(tmp_path, SCHEDULE + "\n# edited")).digest != before


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n\n1 / 0\n", r"mine.py: expected a file .* ZeroDivisionError at line 3: division"),
        ("def f(:\n", r"mine.py: expected a file that can be imported, got SyntaxError"),
        ("import nowhere_at_all\n", r"ModuleNotFoundError at line 1: No module named 'nowhere"),
        (SCHEDULE.replace("slow", "cosine"), r"'cosine' is registered already, by nup.training"),
        ("from nup.plugin import claims\nclaims('no.yaml')\n", r"no.yaml: expected a file that"),
        ("from nup.plugin import nothing\n", r"cannot import name 'nothing' from 'nup.plugin'"),
    ],
)
def test_a_faulty_plug_in_is_named(tmp_path, source, message):
    with pytest.raises(UserError, match=message):
        plugin_files.load(written(tmp_path, source))
    assert plugin_files.loaded() == []


def test_what_is_no_python_file_is_refused(tmp_path):
    for path in (tmp_path / "absent.py", written(tmp_path, "", "mine.txt"), tmp_path):
        with pytest.raises(UserError, match="expected a Python file, got no such file"):
            plugin_files.load(path)


def test_files_that_it_brings_along_are_relative_to_it(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("claims: []")
    (tmp_path / "mine.ipynb").write_text("{}")
    source = (
        "from nup.plugin import claims, notebook\nclaims('mine.yaml')\nnotebook('mine.ipynb')\n"
    )
    path = written(tmp_path, source)
    monkeypatch.chdir(tmp_path)
    plugin = plugin_files.load(path)
    assert plugin.claims == [tmp_path / "mine.yaml"]
    assert plugin.notebooks == [tmp_path / "mine.ipynb"]

"""Names that the documentation gives exist."""

import importlib
import re
from pathlib import Path

import pytest

from nup import cli
from nup.study import documentation
from nup.tables import schema

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/results.md",
    "docs/notation.md",
    "docs/provenance.md",
    "CONTRIBUTING.md",
)
PROSE = [ROOT / name for name in PAGES]


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_names_in_the_library_exist(page):
    for dotted in set(re.findall(r"`(nup(?:\.\w+)+)`", page.read_text())):
        module, *names = dotted.split(".")
        found = importlib.import_module(module)
        for name in names:
            module = f"{module}.{name}"
            known = hasattr(found, name)
            found = getattr(found, name) if known else importlib.import_module(module)


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_named_files_exist(page):
    text = page.read_text()
    found = set(re.findall(r"`((?:src|tests|docs|config|\.ci)/[\w./-]*)`", text))
    linked = set(re.findall(r"\]\(([\w./-]+)\)", text))
    assert found | linked
    missing = [name for name in found if not (ROOT / name).exists()]
    missing += [name for name in linked if not (page.parent / name).exists()]
    assert not missing


def test_notation_names_every_measured_column():
    text = (ROOT / "docs" / "notation.md").read_text()
    named = set(re.findall(r"`([\w]+)`", text))
    keys = {"run_id", "step", "layer", "test_accuracy", "learning_rate"}
    for table in (schema.STEPS, schema.LAYERS):
        assert set(table) - keys <= named
    assert {name for name in schema.INIT if name.endswith(("_norm", "_theory"))} <= named


def test_every_definition_in_notation_is_tagged():
    rows = [
        line for line in (ROOT / "docs" / "notation.md").read_text().splitlines() if "|" in line
    ]
    tags = r"`\[(v1|v2|comp|lit|derived|operational)\]`"
    bodies = [row for row in rows if not re.match(r"\|(-|\s*symbol)", row)]
    assert len(bodies) > 40
    untagged = [row for row in bodies if not re.search(tags, row.split("|")[-2])]
    assert not untagged


def test_keys_of_studies_are_those_of_the_models(capsys):
    text = (ROOT / "config" / "README.md").read_text()
    shown = re.search(r"<!-- keys: nup (.*) -->\n\n(.*)\n<!-- /keys -->", text, re.DOTALL)
    assert shown is not None
    assert cli.main(shown[1].split()) == 0
    assert capsys.readouterr().out == shown[2]


def test_every_key_of_a_study_says_what_it_means():
    for model, _, _ in documentation.SECTIONS:
        missing = [name for name, field in model.model_fields.items() if not field.description]
        assert not missing, model


@pytest.mark.parametrize(("page", "blocks"), [("README.md", 1), ("docs/results.md", 2)])
def test_pages_show_the_shipped_verdicts(page, blocks, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    pattern = r"<!-- verdicts: nup (verdicts [^\n]*) -->\n\n(.*?)\n\n<!-- /verdicts -->"
    found = re.findall(pattern, Path(page).read_text(), re.DOTALL)
    assert len(found) == blocks
    for text, shown in found:
        command = text.split()
        table = "readings" if "--by-reading" in command else "claims"
        shipped = Path("results/reference").glob(f"*/tables/{table}.parquet")
        assert {str(path) for path in shipped} <= set(command)
        assert cli.main(command) == 0
        assert f"{shown}\n" == capsys.readouterr().out


def test_the_front_page_is_short():
    """What is read: without code, comments and addresses of links."""
    unread = r"```.*?```|<!--.*?-->|\]\([^)]*\)"
    text = re.sub(unread, "", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len([word for word in text.split() if re.search(r"\w", word)]) < 900

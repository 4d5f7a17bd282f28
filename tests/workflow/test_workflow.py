"""The workflow from one command to its report, in a copy of the project, and what reruns when."""

from __future__ import annotations

import re
import shutil

import pytest

import browser
from flat import flatten
from nup.jobs import migration
from nup.tables import store
from page_reader import Page, faults
from project import NOTHING, copied


@pytest.fixture(scope="module")
def finished(tmp_path_factory, pytestconfig):
    """A copy of the project with the study ``ci`` run in it, and what that printed."""
    checkout = copied(pytestconfig.rootpath, tmp_path_factory.mktemp("project"))
    return checkout, checkout.snakemake("--config", "study=ci")


@pytest.fixture
def checkout(finished):
    return finished[0]


def test_one_command_leaves_everything(finished):
    checkout, text = finished
    results = checkout.root / "results" / "ci"
    assert "Report: results/ci/report.html" in text
    assert "Open: results/ci/index.html" in text.splitlines()
    assert re.search(r"^eoc-init +(supported|contradicted|inconclusive)", text, flags=re.MULTILINE)
    assert 10_000 < (results / "report.html").stat().st_size < 10_000_000
    assert (checkout.table("runs")["status"] == "ok").any()
    for name in ("steps", "layers", "init", "phases", "claims", "readings"):
        assert len(checkout.table(name)) > 0
    for page in pages(checkout):
        assert page.stat().st_size > 10_000
    assert {path.name for path in (results / "figures").iterdir()} >= set(
        checkout.table("claims")["figure"]
    )


def pages(checkout):
    """The study's entry page and one for each notebook."""
    sources = sorted((checkout.root / "notebooks").glob("*.ipynb"))
    rendered = [checkout.folder / "notebooks" / f"{source.stem}.html" for source in sources]
    return [checkout.folder / "index.html", *rendered]


def test_pages_are_whole(checkout):
    for page in pages(checkout):
        assert faults(page) == []
    entry = Page(pages(checkout)[0])
    for row in checkout.table("claims").itertuples():
        section = f"notebooks/{row.notebook.removesuffix('.ipynb')}.html#claim-{row.claim}"
        assert {f"figures/{row.figure}", section} <= set(entry.links)
        assert row.claim in entry.ids


@pytest.mark.skipif(not browser.PROGRAM, reason="no chromium (Debian package chromium)")
def test_pages_open_in_a_browser(checkout):
    browser.check(pages(checkout))


def test_job_provenance_is_recorded(checkout):
    runs = checkout.table("runs")
    plans = {path.stem for path in (checkout.root / "results/ci/plan/train").glob("*/*.json")}
    assert set(runs["job_id"]) == plans
    # A run's code is that of training and of the entries that it uses.
    by_schedule = runs.groupby("schedule_name")["code_digest"].unique().map(set)
    assert sum(map(len, by_schedule)) == runs["code_digest"].nunique()
    assert runs["code_digest"].nunique() < len(runs) / 10
    assert runs["run_id"].is_unique


def test_executed_notebooks_name_no_folder_of_this_machine(checkout):
    for path in (checkout.root / "results" / "ci" / "notebooks").glob("*.ipynb"):
        assert str(checkout.root) not in path.read_text()


def test_a_second_call_has_nothing_to_do(checkout):
    plan = checkout.results("plan/**/*.json")
    assert NOTHING in checkout.snakemake("--config", "study=ci")
    assert checkout.results("plan/**/*.json") == plan


def test_results_of_an_earlier_layout_are_moved_and_nothing_is_computed_again(checkout):
    every = ("plan/**/*.json", "runs/**/*.parquet", "init/**/*.parquet", "phases/**/*.parquet")
    before = [checkout.results(pattern) for pattern in (*every, "logs/**/*.log", "tables/*")]
    records = checkout.root / migration.RECORDS
    kept = {path.name: path.read_text() for path in records.iterdir()}
    flatten(checkout.folder, records, name="results/ci")
    assert checkout.results("runs/*/runs.parquet")
    text = checkout.snakemake("--config", "study=ci")
    assert len(re.findall(r"^results/ci: moved \d+ files and folders of jobs", text, re.M)) == 1
    assert NOTHING in text
    assert {path.name: path.read_text() for path in records.iterdir()} == kept
    # Without Snakemake's records: they are of paths that are no more.
    flatten(checkout.folder)
    for path in records.iterdir():
        path.unlink()
    text = checkout.snakemake("--dry-run", "--config", "study=ci")
    assert "results/ci: moved " in text
    assert NOTHING in text
    for name, content in kept.items():
        (records / name).write_text(content)
    assert before == [
        checkout.results(pattern) for pattern in (*every, "logs/**/*.log", "tables/*")
    ]


def test_edits_rerun_exactly_the_stages_that_import_them(checkout, fault):
    notebooks = {f"notebook_{path.stem}" for path in (checkout.root / "notebooks").glob("*.ipynb")}
    judged = {"claims", "pages", *notebooks}
    # The phase diagrams are drawn from their own table alone.
    phases = {"search", "phases", "notebook_11_phase_diagrams"}
    for module, rules in {
        "claims/statistics.py": judged,
        "figures/style.py": {"pages", *notebooks},
        "report/cards.py": {"pages"},
        "report/templates/style.css": {"pages"},
        "initialization/signals.py": {"measure", "init", *judged} - phases,
        "training/recorder.py": {"train", "tables", *phases, *judged},
        "training/schedules/taylor.py": {"train", "tables", *judged} - phases,
        "training/schedules/cosine.py": set(),  # which no run uses
        "phases/diagram.py": {"pages", *phases},
        "jobs/plan.py": set(),
        "cli/training.py": set(),
    }.items():
        path = checkout.root / "src" / "nup" / module
        source = path.read_text()
        path.write_text(source + "# edited\n")
        due = checkout.due()
        path.write_text(source)
        assert set(due) == rules, module
        fault("code or backend changed", "a module", "its stages run again and no others")
    added = checkout.root / "src" / "nup" / "training" / "schedules" / "added.py"
    shutil.copy(added.with_name("warmup.py"), added)
    added.write_text(added.read_text().replace("def warmup", "def added"))
    assert checkout.due() == {}
    added.unlink()


def test_only_jobs_whose_runs_use_an_edited_entry_are_trained_again(checkout):
    path = checkout.root / "src" / "nup" / "training" / "schedules" / "taylor.py"
    source = path.read_text()
    path.write_text(source + "# edited\n")
    due = checkout.due()["train"]
    path.write_text(source)
    runs = checkout.table("runs")
    using = runs.loc[runs["schedule_name"] == "taylor", "job_id"].nunique()
    assert due == using < runs["job_id"].nunique()


def test_results_of_other_code_are_refused_or_accepted_and_marked(checkout, fault):
    table = "results/ci/tables/runs.parquet"
    path = sorted((checkout.folder / "runs").glob("*/*/runs.parquet"))[0]
    content, collected = path.read_bytes(), (checkout.root / table).read_bytes()
    changed = store.read_table("runs", path).assign(code_digest="other")
    store.write_table("runs", changed, path)
    text = checkout.snakemake(table, "--force", "--config", "study=ci", succeeds=False)
    assert f"{len(changed)} of " in text
    assert "results are not of one code and the same versions" in text
    fault(
        "code or backend changed", "tables that a job left", "one message, tables stay as they were"
    )
    checkout.snakemake(table, "--force", "--config", "study=ci", "accept_mixed=true")
    assert checkout.table("runs")["mixed"].notna().sum() == len(changed)
    path.write_bytes(content)
    checkout.snakemake(table, "--force", "--config", "study=ci")
    assert (checkout.root / table).read_bytes() == collected


def test_growing_and_shrinking_train_only_what_is_missing(checkout):
    tables = [f"results/ci/tables/{name}.parquet" for name in ("runs", "steps", "layers")]
    before, files = checkout.table("runs"), checkout.results("runs/*/*/*.parquet")
    steps = (checkout.root / tables[1]).read_bytes()

    checkout.edit("config/ci.yaml", "seeds: 2", "seeds: 3")
    checkout.snakemake(*tables, "--config", "study=ci")
    after = checkout.table("runs")
    assert len(after) == 1.5 * len(before)
    trained = after[~after["run_id"].isin(before["run_id"])]
    assert set(trained["seed"]) == {2}
    assert set(trained["job_id"]).isdisjoint(before["job_id"])
    assert files.items() <= checkout.results("runs/*/*/*.parquet").items()

    checkout.edit("config/ci.yaml", "seeds: 3", "seeds: 2")
    assert "train" not in checkout.due(*tables)
    checkout.snakemake(*tables, "--config", "study=ci")
    assert (checkout.root / tables[1]).read_bytes() == steps
    assert files.items() <= checkout.results("runs/*/*/*.parquet").items()


def test_growing_searches_only_for_the_lines_that_are_missing(checkout):
    table = "results/ci/tables/phases.parquet"
    before, files = checkout.table("phases"), checkout.results("phases/*/*.parquet")
    checkout.edit("config/ci.yaml", "width: [4, 8, 16]", "width: [4, 8, 12, 16]")
    checkout.snakemake(table, "--config", "study=ci")
    after = checkout.table("phases")
    new = after[~after["cell_id"].isin(before["cell_id"])]
    assert set(new["base_width"]) == {12}
    assert len(after) == len(before) + len(new)
    assert files.items() < checkout.results("phases/*/*.parquet").items()
    checkout.edit("config/ci.yaml", "width: [4, 8, 12, 16]", "width: [4, 8, 16]")
    assert "search" not in checkout.due(table)
    checkout.snakemake(table, "--config", "study=ci")
    assert len(checkout.table("phases")) == len(before)


def test_figures_need_only_the_tables(checkout, tmp_path):
    """Also: executing a notebook again gives the same bytes."""
    shutil.copytree(checkout.root / "results" / "ci" / "tables", checkout.root / "shipped")
    runs = checkout.root / "results" / "ci" / "runs"
    runs.rename(tmp_path / "runs")
    notebook = "results/ci/notebooks/01_initialization.ipynb"
    executed = checkout.root / notebook
    content = executed.read_bytes()
    try:
        assert set(checkout.due("figures", "--forceall")) == {
            "figures",
            "pages",
            *(f"notebook_{path.stem}" for path in (checkout.root / "notebooks").glob("*.ipynb")),
        }
        checkout.snakemake(notebook, "--force", "--config", "study=ci", "tables=shipped")
    finally:
        (tmp_path / "runs").rename(runs)
    assert executed.read_bytes().replace(b"shipped", b"results/ci/tables") == content


def test_a_mistake_in_a_study_is_one_clear_message(checkout, tmp_path, fault):
    study = tmp_path / "mine.yaml"
    study.write_text("study: mine\nexperiments: {depth: {dpth: 2}}\n")
    text = checkout.snakemake("--config", f"study={study}", succeeds=False)
    assert f"{study}: 1 mistake(s) in the configuration" in text
    assert "experiments.depth: got unknown key 'dpth'; expected one of data" in text
    assert "Traceback" not in text
    text = checkout.snakemake("--config", "study=thesis", succeeds=False)
    known = "benchmark, ci, laptop, mnist, paper"
    assert f"study 'thesis': no file config/thesis.yaml; expected one of {known}" in text
    fault("bad input", "study of the workflow", "one message, no traceback", 2)


def test_the_slurm_profile_plans_the_same_jobs(checkout):
    plain = checkout.due("--forceall")
    assert checkout.due("--forceall", "--profile", "slurm") == plain


def test_the_workflow_has_no_lint(checkout):
    assert "Congratulations" in checkout.snakemake("--lint")

"""Phase diagrams from a study to its table: what is asked for, planned, measured and collected."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from fake_training import DATA
from nup import cli
from nup.errors import UserError
from nup.jobs import frozen, places, plan
from nup.jobs.kinds import PHASES
from nup.jobs.plan import Job, Limits
from nup.specs import PhaseSpec
from nup.study import grid
from nup.study.load import load
from nup.study.models import Study
from nup.tables import store

ENTRY = {
    "data": {"name": "teacher", "n_train": 16, "n_validation": 8, "n_test": 8, "n_probe": 4},
    "parameterization": [{"name": "nup", "r": 2}, {"name": "mup", "match": {"name": "nup"}}],
    "depth": [2, 3],
    "width": 4,
    "activation": ["abs", "relu"],
    "seeds": 2,
}


def cells(entry=None, **defaults):
    study = {"study": "test", "defaults": defaults, "phase_diagrams": {"depth": entry or ENTRY}}
    return list(grid.phase_diagrams(Study.model_validate(study), "mine.yaml").values())


def spec(seed=0, depth=3, **changes):
    return PhaseSpec("depth", DATA, "mup", depth, 4, "abs", seed, steps=8, **changes)


# -- asked for -------------------------------------------------------------------------------------


def test_cells_are_the_product_of_the_axes():
    found = cells()
    assert len({cell.id for cell in found}) == len(found) == 2 * 2 * 2 * 2
    assert {(cell.steps, cell.early, cell.scan, cell.resolution) for cell in found} == {
        (64, 4, 2, 8)
    }
    assert {(cell.log2_from, cell.log2_to, cell.sharpness) for cell in found} == {
        (-1.0, 6.0, "hessian")
    }
    matched = [cell for cell in found if cell.matched_to]
    assert {cell.parameterization for cell in matched} == {"mup"}
    assert {cell.base_width for cell in found} == {4}


def test_settings_may_stand_in_the_defaults():
    entry = {key: value for key, value in ENTRY.items() if key not in ("data", "seeds")}
    found = cells(entry, data=ENTRY["data"], seeds=[3], dtype="float64")
    assert {(cell.seed, cell.dtype, cell.data.n_train) for cell in found} == {(3, "float64", 16)}


def test_a_specification_survives_its_file():
    cell = cells()[-1]
    assert PhaseSpec.from_dict(cell.to_dict()) == cell
    assert cell.cell_key == cells()[-2].cell_key  # the other seed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stepz": 3}, r"phase_diagrams\.depth: got unknown key 'stepz'; expected one of data, .*"),
        ({"early": 65}, r"phase_diagrams\.depth: early: expected at most steps = 64, got 65"),
        ({"resolution": 5}, r"resolution: expected a multiple of log2_c\.per_octave = 2, got 5"),
        ({"log2_c": {"from": 2, "to": 2}}, r"log2_c: expected from and to at least 1/per_octave"),
        ({"log2_c": {"start": 2}}, r"log2_c: got unknown key 'start'; expected one of from, to"),
        ({"sharpness": "trace"}, r"sharpness: .*'hessian' or 'gauss_newton' \(got 'trace'\)"),
        ({"depth": 1}, r"phase_diagrams\.depth: depth must be a whole number ≥ 2, got 1"),
        ({"width": None}, r"phase_diagrams\.depth: expected a value of width here or in the def"),
    ],
)
def test_mistakes_are_named_with_file_key_and_remedy(tmp_path, changes, message):
    path = tmp_path / "study.yaml"
    study = {"study": "test", "phase_diagrams": {"depth": {**ENTRY, **changes}}}
    path.write_text(yaml.safe_dump(study))
    with pytest.raises(UserError, match=message) as error:
        grid.phase_diagrams(load(path), path)
    assert str(error.value).startswith(str(path))


# -- planned ---------------------------------------------------------------------------------------


@pytest.fixture
def reconcile(tmp_path):
    """Plan cells in a folder of jobs of about 0.1 s each."""

    def run(wanted):
        by_id = {cell.id: cell for cell in wanted}
        folders = tmp_path / "plan", tmp_path / "phases"
        return plan.reconcile(PHASES, by_id, *folders, Limits(0.1, 120))

    return run


def of(planned):
    return sorted(cell for ids in planned.selection.values() for cell in ids)


def test_every_cell_is_planned_once_and_seeds_stay_together(reconcile):
    wanted = [spec(seed, depth) for depth in (2, 3, 4, 5) for seed in range(3)]
    planned = reconcile(wanted)
    assert of(planned) == sorted(cell.id for cell in wanted)
    assert len(planned.jobs) > 1
    for job in planned.jobs.values():
        keys = [cell.cell_key for cell in job.specs]
        assert all(keys.count(key) == 3 for key in keys)
    again = reconcile(wanted[::-1])
    assert again.selection == planned.selection


def test_growing_measures_only_what_is_missing(reconcile, tmp_path):
    first = reconcile([spec(seed) for seed in range(2)])
    (job,) = first.jobs
    path = PHASES.files(tmp_path / "phases", job)["phases"]
    path.parent.mkdir(parents=True)
    path.touch()
    grown = reconcile([spec(seed, depth) for seed in range(3) for depth in (2, 3)])
    assert job in grown.jobs
    new = [cell for name, planned in grown.jobs.items() if name != job for cell in planned.specs]
    assert {(cell.seed, cell.depth) for cell in new} == {(0, 2), (1, 2), (2, 2), (2, 3)}
    shrunk = reconcile([spec(0)])
    assert (list(shrunk.jobs), of(shrunk)) == ([job], [spec(0).id])


def test_planning_at_once_gives_one_plan(reconcile):
    wanted = [spec(seed, depth) for depth in (2, 3) for seed in range(2)]
    with ThreadPoolExecutor(4) as pool:
        plans = list(pool.map(lambda _: reconcile(wanted), range(4)))
    assert all(each.selection == plans[0].selection for each in plans)


def test_a_damaged_file_stops_planning_and_is_named(reconcile, tmp_path):
    reconcile([spec()])
    path = places.place(tmp_path / "plan", "0123", ".json")
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"kind": "phases", "specs": [{}]}')
    with pytest.raises(UserError, match=r"0123\.json: expected a file of the plan with job, kind"):
        reconcile([spec()])


def test_more_work_is_longer():
    plain = PHASES.seconds([spec()], 120)
    for changes in ({"seed": 1}, {"depth": 4}, {"log2_to": 8.0}, {"early": 8}):
        more = [spec(), spec(1)] if "seed" in changes else [spec(**changes)]
        assert PHASES.seconds(more, 120) > plain
    cheap = PHASES.seconds([spec(sharpness="gauss_newton")], 120)
    assert cheap < plain
    assert Job(PHASES, (spec(),)).limit_minutes(120) >= 5


# -- measured and collected ------------------------------------------------------------------------


def test_from_a_job_to_the_table(tmp_path, capfd):
    wanted = [spec(seed, depth, log2_to=4.0) for depth in (2, 3) for seed in range(2)]
    jobs = [Job(PHASES, tuple(wanted[:2])), Job(PHASES, tuple(wanted[2:]))]
    for job in jobs:
        path, out = (
            job.write(tmp_path / "plan"),
            PHASES.files(tmp_path / "phases", job.id)["phases"],
        )
        assert cli.main(["job", str(path), "--out", str(out)]) == 0
        assert f"job {job.id}: phases 8 rows" in capfd.readouterr().err
    chosen = {job.id: [job.ids[0]] for job in jobs}
    selection = frozen.write_selection(PHASES, chosen, tmp_path / "selections")
    options = ["--jobs", str(tmp_path / "phases"), "--out", str(tmp_path / "tables")]
    options += ["--plan", str(tmp_path / "plan")]
    assert cli.main(["tables", str(selection), *options]) == 0
    table = store.read_table("phases", tmp_path / "tables" / "phases.parquet")
    assert sorted(set(table["cell_id"])) == sorted(job.ids[0] for job in jobs)
    assert set(table["seed"]) == {0}
    assert table.groupby("depth")["line"].nunique().to_dict() == {2: 4, 3: 4}
    found = table[table["censored"] == ""]
    assert (found["c"] > found["lowest_c"]).all()
    assert (found["learning_rate"] * found["initial_sharpness"]).to_numpy() == pytest.approx(
        found["c"].to_numpy()
    )
    assert table.loc[table["censored"] == "above", "c"].isna().all()


def test_a_study_without_phase_diagrams_has_an_empty_table(tmp_path):
    selection = frozen.write_selection(PHASES, {}, tmp_path)
    options = ["--jobs", str(tmp_path), "--out", str(tmp_path)]
    assert cli.main(["tables", str(selection), *options]) == 0
    assert len(store.read_table("phases", tmp_path / "phases.parquet")) == 0

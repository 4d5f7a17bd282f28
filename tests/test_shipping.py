"""`nup ship`: what version control keeps of a study."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from fake_training import run_spec
from nup import cli
from nup.figures import style
from nup.figures.description import described
from nup.jobs import execute, kinds
from nup.jobs.plan import Job
from nup.tables import collect, shipping, store
from nup.tables.shipping import BITS

STEPS = 1_200
RUNS = [
    run_spec(
        seed=seed, steps=STEPS, learning_rate=0.01, record={"steps": 1, "curvature": 7, "layers": 7}
    )
    for seed in (0, 1)
]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study of two long runs, with one figure."""
    folder = tmp_path_factory.mktemp("results") / "long"
    job = Job(kinds.TRAINING, tuple(RUNS))
    files = job.kind.files(folder / "runs", job.id)
    execute.run(job, files["runs"].parent, execute.Session(job.id, job.digest))
    for name, file in files.items():
        out = folder / "tables" / f"{name}.parquet"
        collect.collect(name, job.kind.key, {file: job.ids}, out)
    (folder / "figures").mkdir()
    drawn = Figure(figsize=(1, 1))
    drawn.suptitle("Words")
    style.save(drawn, folder / "figures" / "one.png")
    (folder / "figures" / "one.pdf").write_bytes(b"for print, not shipped")
    return folder


@pytest.fixture
def ship(study, tmp_path):
    """Ship the study with these options; the folder of what was shipped."""

    def run(*options):
        assert cli.main(["ship", str(study), "--to", str(tmp_path), *options]) == 0
        return tmp_path / "long"

    return run


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_keeps_bits_and_rounds_to_the_nearest(dtype):
    values = np.geomspace(1e-30, 1e30, 997).astype(dtype) * np.resize([1, -1], 997).astype(dtype)
    rounded = shipping.rounded(values)
    mantissa, exponent = np.frexp(values.astype(float))
    # frexp's fraction lies in [½, 1): one bit more than that of a normalized float.
    nearest = np.ldexp(np.round(mantissa * 2 ** (BITS + 1)) / 2 ** (BITS + 1), exponent)
    assert np.all(np.abs(rounded / values - 1) <= 2.0 ** -(BITS + 1))
    ties = np.abs(np.abs(mantissa * 2 ** (BITS + 1)) % 1 - 0.5) < 1e-9
    np.testing.assert_array_equal(rounded[~ties], nearest[~ties].astype(dtype))
    assert rounded.dtype == dtype


def test_rounding_leaves_what_is_not_finite_and_what_would_become_so():
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(np.float32).max], np.float32)
    np.testing.assert_array_equal(shipping.rounded(odd), odd)


def test_all_rows_are_shipped_rounded_and_runs_as_they_are(study, ship):
    folder = ship()
    for name in ("runs", "steps", "layers"):
        before = store.read_table(name, study / "tables" / f"{name}.parquet")
        after = store.read_table(name, folder / "tables" / f"{name}.parquet")
        exact = before if name == "runs" else before.select_dtypes(exclude="float")
        pd.testing.assert_frame_equal(after[exact.columns], exact)
        # Of residuals the power of two is kept.
        coarse = [column for column in before if column.endswith("_residual")]
        for columns, error in (
            (before.columns.difference(coarse), 2.0 ** -(BITS + 1)),
            (coarse, 0.25),
        ):
            pd.testing.assert_frame_equal(
                after[columns], before[columns], check_exact=False, rtol=error, atol=0
            )
    assert not after["preactivation_rms"].equals(before["preactivation_rms"])
    assert described(folder / "figures" / "one.png") == described(study / "figures" / "one.png")
    assert described(folder / "figures" / "one.png").startswith("Words")
    assert cli.main(["verify", str(folder)]) == 0


def test_long_runs_of_other_seeds_keep_the_steps_with_more_and_both_ends(study, ship):
    folder = ship("--whole-seeds", "1")
    runs = store.read_table("runs", folder / "tables" / "runs.parquet").set_index("run_id")["seed"]
    steps = store.read_table("steps", folder / "tables" / "steps.parquet")
    kept = steps.groupby(steps["run_id"].map(runs))["step"].apply(list)
    assert kept[0] == list(range(STEPS + 1))
    assert kept[1] == sorted({*range(0, STEPS + 1, 7), STEPS})
    layers = store.read_table("layers", folder / "tables" / "layers.parquet")
    whole = store.read_table("layers", study / "tables" / "layers.parquet")
    pd.testing.assert_frame_equal(layers[["run_id", "step"]], whole[["run_id", "step"]])  # short
    # What more was recorded there is all there.
    whole = store.read_table("steps", study / "tables" / "steps.parquet")
    assert steps["sharpness"].notna().sum() == whole["sharpness"].notna().sum() > 0


def test_a_figure_that_is_no_longer_drawn_is_not_kept(study, ship, tmp_path, capsys):
    old = tmp_path / "long" / "figures" / "old.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    (study / "figures" / "criteria-useful.png").write_bytes(b"another")  # nor are those of criteria
    assert [path.name for path in (ship() / "figures").iterdir()] == ["one.png"]
    odd = study / "figures" / "odd.png"
    odd.write_bytes(b"no picture")
    try:
        assert cli.main(["ship", str(study), "--to", str(tmp_path)]) == 2
        assert "odd.png: expected a picture, got none" in capsys.readouterr().err
    finally:
        odd.unlink()


@pytest.mark.parametrize("to", ["elsewhere", ".."])
def test_a_folder_without_results_or_shipped_onto_itself_is_refused(study, tmp_path, capsys, to):
    source = tmp_path / "nothing" if to == "elsewhere" else study
    assert cli.main(["ship", str(source), "--to", str(source.parent)]) == 2
    assert (
        "expected the folder of a study's results, with tables/runs.parquet"
        in capsys.readouterr().err
    )

import pytest
import yaml

from nup.errors import UserError
from nup.study import grid
from nup.study.load import find, load
from nup.training.schedules import label

STUDY = """
study: test
defaults:
  data: {name: digits, n_train: 64}
  seeds: 2
  steps: 10
  learning_rate: [0.5, 1]
  record: {layers: 20}
experiments:
  depth:
    depth: [2, 4]
    width: 8
    parameterization: nup
initialization:
  eoc: {parameterization: mup, depth: 8, width: 16, weight_variance: [0.8, 1]}
"""


@pytest.fixture
def study_file(tmp_path):
    """Write the study with changes to the experiment ``depth`` and at the top; returns the path."""

    def write(experiment=None, **top):
        values = yaml.safe_load(STUDY)
        values["experiments"]["depth"].update(experiment or {})
        values.update(top)
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


def expand(path):
    return list(grid.runs(load(path), path).values())


def test_a_grid_is_the_product_of_its_axes(study_file):
    runs = expand(study_file())
    assert len(runs) == 2 * 2 * 2
    assert {(run.depth, run.learning_rate, run.seed) for run in runs} == {
        (depth, rate, seed) for depth in (2, 4) for rate in (0.5, 1.0) for seed in (0, 1)
    }
    assert {(run.width, run.base_width, run.matched_to) for run in runs} == {(8, 8, "")}
    assert runs[0].record["layers"] == 20
    assert runs[0].options == {"normalize": "input", "r": 2.0, "scale": "base"}


def test_ids_do_not_depend_on_how_a_run_is_written_down(study_file):
    short = expand(study_file({"activation": "(1,2)", "schedule": "constant"}))
    long = expand(
        study_file(
            {
                "activation": [[1, 2]],
                "parameterization": [{"name": "nup", "r": 2.0, "match": None}],
                "learning_rate": {"log2": {"from": -1, "to": 0}},
                "schedule": [{"name": "constant", "gradient_scaling": ["none"]}],
                "seeds": [0, 1],
            }
        )
    )
    assert [run.id for run in short] == [run.id for run in long]


def test_growing_an_axis_keeps_the_runs_there_were(study_file):
    before = {run.id for run in expand(study_file())}
    after = {run.id for run in expand(study_file({"depth": [2, 3, 4], "seeds": 3}))}
    assert before < after


def test_a_matched_net_has_the_size_of_its_target(study_file):
    net = {"name": "mup", "match": [None, {"name": "nup", "r": 2}]}
    runs = expand(study_file({"parameterization": net, "depth": 4}))
    plain, matched = {run.width for run in runs if not run.matched_to}, runs[-1]
    assert plain == {8}
    assert (matched.matched_to, matched.base_width) == ("nup(r=2)", 8)
    # nup: 64·8 + 8·32 + 32·72 + 72·10 = 3792 parameters; mup: 74 m + 2 m² = 3828 at m = 29.
    assert matched.width == 29


def test_other_width_patterns_are_matched_too(study_file):
    net = {"name": "nup", "r": [1, 3], "match": {"name": "nup", "r": 2}}
    runs = expand(study_file({"parameterization": net, "depth": 4}))
    # 3792 weights as above. r = 1: 94 m + 8 m² = 3910 at m = 17, 3552 at m = 16;
    # r = 3: 334 m + 224 m² = 3018 at m = 3, 4920 at m = 4.
    assert {(run.options["r"], run.width) for run in runs} == {(1.0, 17), (3.0, 3)}
    assert {(run.matched_to, run.base_width) for run in runs} == {("nup(r=2)", 8)}


def test_options_given_as_lists_are_axes(study_file):
    runs = expand(
        study_file(
            {
                "depth": 2,
                "parameterization": {"name": "nup", "r": [0, 1, 2]},
                "schedule": {"name": "sharpness", "c": [1.5, 2]},
            }
        )
    )
    assert {run.options["r"] for run in runs} == {0.0, 1.0, 2.0}
    assert {label(run.schedule) for run in runs} == {"sharpness(c=1.5)", "sharpness(c=2)"}


def test_schedules_that_measure_take_no_rate(study_file):
    runs = expand(study_file({"depth": 2, "schedule": {"name": "taylor", "c": 2.5}}))
    assert [(run.learning_rate, run.seed) for run in runs] == [(None, 0), (None, 1)]


def test_the_innermost_learning_rates_count(study_file):
    nets = [{"name": "nup", "learning_rate": [2]}, "mup"]
    runs = expand(study_file({"depth": 2, "parameterization": nets}))
    rates = {(run.parameterization, run.learning_rate) for run in runs}
    assert rates == {("nup", 2.0), ("mup", 0.5), ("mup", 1.0)}


def test_optimizers_are_an_axis_with_rates_of_their_own(study_file):
    adamw = {"name": "adamw", "weight_decay": [0, 0.01], "learning_rate": [0.001]}
    grid_ = {"parameterization": "sp", "depth": 2, "record": {"curvature": 0}}
    runs = expand(study_file({**grid_, "optimizer": ["sgd", adamw]}))
    found = {(run.optimizer.name, run.optimizer.options.get("weight_decay")) for run in runs}
    assert found == {("sgd", None), ("adamw", 0.0), ("adamw", 0.01)}
    rates = {(run.optimizer.name, run.learning_rate) for run in runs}
    assert rates == {("sgd", 0.5), ("sgd", 1.0), ("adamw", 0.001)}
    # Every option is settled: written out or not, it is the same run.
    plain = {run.id for run in expand(study_file({**grid_, "optimizer": "adamw"}))}
    written = {"name": "adamw", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01}
    assert plain == {run.id for run in expand(study_file({**grid_, "optimizer": written}))}
    default = {run.id for run in expand(study_file(grid_))}
    assert default == {run.id for run in expand(study_file({**grid_, "optimizer": "sgd"}))}


def test_grids_share_the_settings_of_their_experiment(study_file):
    grids = [{"learning_rate": [0.25], "record": {"layers": 5}}, {"steps": 20}]
    runs = expand(study_file({"grids": grids, "depth": 2, "record": {"curvature": 7}}))
    assert {(run.learning_rate, run.steps, run.record["layers"]) for run in runs} == {
        (0.25, 10, 5),
        (0.5, 20, 20),
        (1.0, 20, 20),
    }
    assert {run.record["curvature"] for run in runs} == {7}


def test_powers_of_two(study_file):
    log2 = {"from": -1, "to": 0.6, "per_octave": 2}
    runs = expand(study_file({"learning_rate": {"log2": log2}}))
    assert sorted({run.learning_rate for run in runs}) == [0.5, 0.707106781187, 1.0, 1.41421356237]


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"weight_variance": 0.8}, "mup at 0.8"),
        ({"parameterization": "mup_residual"}, "mup_residual at 1"),
    ],
)
def test_kernels_that_theory_does_not_know_are_refused(study_file, changes, got):
    entry = {"parameterization": "mup", "depth": 4, "width": 8, "kernel": "net", **changes}
    path = study_file(initialization={"ntk": entry})
    with pytest.raises(UserError, match=rf"initialization\.ntk: kernel: .* got {got}"):
        grid.initializations(load(path), path)


def test_initializations(study_file):
    path = study_file()
    nets = grid.initializations(load(path), path)
    assert [(net.weight_variance, net.seed) for net in nets.values()] == [
        (0.8, 0),
        (0.8, 1),
        (1.0, 0),
        (1.0, 1),
    ]
    assert {net.experiment for net in nets.values()} == {"eoc"}


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        ({"dpth": 2}, r"experiments\.depth: got unknown key 'dpth'; expected one of data, .*grids"),
        ({"depth": [0]}, r"experiments\.depth\.depth\.0: .*greater than 0 \(got 0\)"),
        ({"depth": 1}, r"experiments\.depth: depth must be a whole number ≥ 2, got 1"),
        ({"loss": "l1"}, r"experiments\.depth\.loss: .*'mse' or 'cross_entropy' \(got 'l1'\)"),
        ({"schedule": "step"}, r"experiments\.depth: unknown schedule 'step': expected one of con"),
        (
            {"parameterization": "ntk"},
            r"unknown parameterization 'ntk': expected one of mup, mup_inv",
        ),
        ({"parameterization": {"name": "nup", "q": 1}}, r"unknown option 'q': .* 'nup' takes r"),
        (
            {"optimizer": "adam"},
            r"experiments\.depth: unknown optimizer 'adam': expected one of ad",
        ),
        ({"optimizer": {"name": "sgd", "beta1": 0.9}}, r"optimizer 'sgd' takes no options"),
        ({"optimizer": "adamw"}, r"experiments\.depth: .* factors c_k of parameterization 'nup'"),
        (
            {"optimizer": "adamw", "parameterization": "sp"},
            r"record\.curvature asks, is not that of its update: set it",
        ),
        ({"parameterization": {"r": 1}}, r"parameterization\.0: expected a name, or a mapping"),
        ({"activation": "gelu"}, r"experiments\.depth: unknown activation 'gelu'"),
        ({"data": "mnist9"}, r"unknown data set 'mnist9': expected one of arrays, cifar10, "),
        ({"data": {"nme": "digits"}}, r"depth\.data: got unknown key 'nme'; expected one of name"),
        ({"batch_size": 65}, r"batch_size: expected at most n_train = 64 .* got 65"),
        ({"seeds": 0}, r"experiments\.depth\.seeds: .* \(at least 1\); got 0"),
        ({"learning_rate": {"log2": {"from": 1, "to": 0}}}, r"expected from ≤ to, got from 1 to 0"),
        (
            {"schedule": {"name": "sharpness", "c": 2, "learning_rate": 1}},
            r"schedule 'sharpness' finds its own rate .* \(got 1\.0\)",
        ),
    ],
)
def test_mistakes_are_named_with_file_key_and_remedy(study_file, experiment, message):
    path = study_file(experiment)
    with pytest.raises(UserError, match=message) as error:
        expand(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ({"from": -0.5, "to": 0.5, "per_octave": 2}, [0.707106781187, 1.0, 1.41421356237]),
        ([0.5, 3], [0.5, 3.0]),
        (2, [2.0]),
    ],
)
def test_rates_in_units_of_the_edge(study_file, edge, expected):
    runs = expand(study_file({"learning_rate": {"edge": edge}}))
    assert sorted({run.edge for run in runs}) == expected
    assert {run.learning_rate for run in runs} == {None}
    # On an entry of their own, beside rates η of the grid.
    nets = [{"name": "nup", "learning_rate": {"edge": edge}}, "mup"]
    runs = expand(study_file({"parameterization": nets}))
    assert {(run.parameterization, run.edge is None) for run in runs} == {
        ("nup", False),
        ("mup", True),
    }


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        ({"learning_rate": {"edge": [1, 0]}}, r"depth\.learning_rate\.1: Input should be greater"),
        (
            {"learning_rate": {"edges": 1}},
            r"depth\.learning_rate: expected rates, \{log2: .* edge:",
        ),
        ({"learning_rate": {"edge": {"from": 1, "to": 0}}}, r"expected from ≤ to, got from 1 to 0"),
        (
            {"schedule": {"name": "sharpness", "c": 2, "learning_rate": {"edge": 1}}},
            r"schedule 'sharpness' finds its own rate .* \(got 1\.0\)",
        ),
        (
            {
                "optimizer": "adamw",
                "parameterization": "sp",
                "record": {"curvature": 0},
                "learning_rate": {"edge": 1},
            },
            r"experiments\.depth: optimizer 'adamw' divides .* learning rates η of its own",
        ),
    ],
)
def test_rates_without_an_edge_are_refused(study_file, experiment, message):
    path = study_file(experiment)
    with pytest.raises(UserError, match=message):
        expand(path)


def test_a_schedule_that_finds_its_rate_leaves_an_inherited_edge(study_file):
    runs = expand(
        study_file({"learning_rate": {"edge": 1}, "schedule": {"name": "sharpness", "c": 2}})
    )
    assert {(run.learning_rate, run.edge) for run in runs} == {(None, None)}


def test_what_is_needed_and_set_nowhere_is_named(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: test\nexperiments: {depth: {depth: 2, parameterization: nup}}\n")
    with pytest.raises(
        UserError, match="expected a value of data, width, steps here or in the def"
    ):
        expand(path)


def test_files_that_are_no_studies(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: [")
    with pytest.raises(UserError, match="not valid YAML"):
        load(path)
    path.write_text("- 1")
    with pytest.raises(UserError, match=r"\(top level\): expected a mapping with keys among study"):
        load(path)
    path.write_text("study: ../elsewhere")
    with pytest.raises(UserError, match="study: String should match pattern"):
        load(path)


def test_studies_are_found_by_name_or_path(tmp_path):
    (tmp_path / "mine.yaml").write_text(STUDY)
    assert find("mine", tmp_path) == tmp_path / "mine.yaml"
    assert find(str(tmp_path / "mine.yaml"), "nowhere") == tmp_path / "mine.yaml"
    with pytest.raises(UserError, match=r"study 'yours': no file .*; expected one of mine or the"):
        find("yours", tmp_path)


@pytest.mark.parametrize("name", ["laptop", "ci", "paper", "benchmark", "mnist"])
def test_shipped_studies_are_valid(pytestconfig, name):
    path = find(name, pytestconfig.rootpath / "config")
    study = load(path)
    assert study.study == name
    runs = grid.runs(study, path)
    assert {"depth", "catapult"} <= {run.experiment for run in runs.values()}
    # A claim is judged on one data set and base width; one experiment is about the width.
    for experiment in {run.experiment for run in runs.values()}:
        of_it = [run for run in runs.values() if run.experiment == experiment]
        assert len({run.data.name for run in of_it}) == 1
        assert len({run.base_width for run in of_it}) == 1 or experiment == "width", experiment
    assert set(study.phase_diagrams) in (set(), {"depth", "width"})  # as the notebook has them
    assert bool(study.phase_diagrams) == bool(grid.phase_diagrams(study, path))
    kernels = {"ntk-width", "ntk-depth", "ntk-spectrum", "edge-nets", "edge-limit"}
    nets = grid.initializations(study, path)
    assert {net.experiment for net in nets.values()} == {"eoc"} | kernels
    assert {net.experiment for net in nets.values() if net.kernel} == kernels
    assert all(
        run.record.get("hessian")
        for run in runs.values()
        if label(run.schedule) == "constant" and run.experiment == "catapult"
    )

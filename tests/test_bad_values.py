"""A value that a study may not have is refused by a message that names its key."""

import pytest

from bad_input import DATA, INF, LONG, NAN, NET, changed, planned, refused, written

OUTCOME = "one message that names the key"
DEPTH = "experiments.depth."
OPTION = {"name": "sharpness"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (f"{DEPTH}depth", 10**12, r"depth\.depth\.0: .* less than or equal to 10000 \(got 10000"),
        (f"{DEPTH}depth", True, r"depth\.depth\.0: .*valid integer \(got True\)"),
        (f"{DEPTH}depth", "4", r"depth\.depth\.0: .*valid integer \(got '4'\)"),
        (f"{DEPTH}depth", [], r"depth\.depth: .*at least 1 item"),
        (f"{DEPTH}width", 10**9, r"depth\.width\.0: .* less than or equal to 1000000"),
        (f"{DEPTH}width", [INF], r"depth\.width\.0: .*integer \(got inf\)"),
        (f"{DEPTH}seeds", 10**7, r"depth\.seeds: expected how many seeds \(at most 10000\)"),
        (f"{DEPTH}seeds", [2**63], r"depth\.seeds\.0: .*less than or equal to 92233720368547758"),
        (f"{DEPTH}seeds", [-1], r"depth\.seeds\.0: .*greater than or equal to 0 \(got -1\)"),
        (f"{DEPTH}seeds", [True], r"depth\.seeds\.0: .*integer \(got True\)"),
        (f"{DEPTH}seeds", None, r"depth: expected a value of seeds here or in the defaults"),
        (f"{DEPTH}loss", None, r"depth: expected a value of loss here or in the defaults"),
        (f"{DEPTH}schedule", None, r"depth: expected a value of schedule here or in the def"),
        (f"{DEPTH}activation", None, r"depth: expected a value of activation here or in the def"),
        (f"{DEPTH}steps", 10**12, r"depth\.steps: .*less than or equal to 1000000"),
        (f"{DEPTH}batch_size", True, r"depth\.batch_size: .*integer \(got True\)"),
        (f"{DEPTH}record", {"layers": True}, r"depth\.record\.layers: .*integer \(got True\)"),
        (f"{DEPTH}record", {"layers": 10**30}, r"depth\.record\.layers: .*less than or equal to"),
        (f"{DEPTH}activation", 5, r"depth\.activation\.0: .*string \(got 5\)"),
        (f"{DEPTH}activation", [[1e308, 1e308]], r"expected numbers that are 0 or from 1e-06"),
        (f"{DEPTH}activation", [[1, True]], r"unknown activation '\(1,True\)'"),
        (f"{DEPTH}weight_variance", INF, r"weight_variance\.0: .*finite number \(got inf\)"),
        (f"{DEPTH}weight_variance", True, r"weight_variance\.0: .*number \(got True\)"),
        (f"{DEPTH}learning_rate", NAN, r"learning_rate\.0: .*finite number \(got nan\)"),
        (f"{DEPTH}learning_rate", 1e300, r"learning_rate\.0: expected a number that float32 holds"),
        (f"{DEPTH}learning_rate", 1e-300, r"learning_rate\.0: expected a number that float32 hol"),
        (
            f"{DEPTH}learning_rate",
            {"log2": {"from": 0, "to": 5000}},
            r"learning_rate: log2\.to: .*less than or equal to 127 \(got 5000\)",
        ),
        (
            f"{DEPTH}learning_rate",
            {"edge": {"from": -INF, "to": 0}},
            r"learning_rate: edge\.from: .*finite number \(got -inf\)",
        ),
        (
            f"{DEPTH}learning_rate",
            {"log2": {"from": 0, "to": 1, "per_octave": 10**12}},
            r"learning_rate: log2\.per_octave: .*less than or equal to 100",
        ),
        (
            f"{DEPTH}learning_rate",
            {"log2": {"from": 0.2, "to": 0.4}},
            r"learning_rate: log2: expected a multiple of 1/1 between from and to",
        ),
        (f"{DEPTH}schedule", {**OPTION, "c": INF}, r"option 'c': expected at most 1e\+09 in size"),
        (f"{DEPTH}schedule", {**OPTION, "c": NAN}, r"option 'c' of schedule .*> 0, got nan"),
        (f"{DEPTH}schedule", {**OPTION, "c": []}, r"option 'c': expected a value or a list of at"),
        (f"{DEPTH}schedule", {**OPTION, "c": True}, r"option 'c' of schedule .*> 0, got True"),
        (f"{DEPTH}schedule", {**OPTION, "options": 5}, r"schedule\.0\.options: .*dictionary"),
        (f"{DEPTH}schedule", LONG, r"schedule\.0\.name: .*at most 200 characters"),
        (
            f"{DEPTH}optimizer",
            {"name": "adamw", "beta1": NAN},
            r"option 'beta1' of optimizer 'adamw': expected .* got nan",
        ),
        (f"{DEPTH}parameterization", {"name": "nup", "r": []}, r"option 'r': expected a value or"),
        (f"{DEPTH}parameterization", {"name": "nup", "depth": 3}, r"unknown option 'depth': param"),
        (
            f"{DEPTH}parameterization",
            {"name": "mup", "match": {"name": "nup", "options": {"name": "x"}}},
            r"unknown option 'name': parameterization 'nup' takes r",
        ),
        (
            f"{DEPTH}parameterization",
            {"name": "mup", "match": {"name": "nup", "r": 10**6}},
            None,  # at depth 2 there is one hidden layer, of the base width whatever r
        ),
        (
            "experiments.depth",
            {"parameterization": {"name": "nup", "r": 10**6}, "depth": 3, "width": 4},
            r"depth: parameterization 'nup': expected finite widths .* at depth 3 and width 4",
        ),
        (f"{DEPTH}data", {**DATA, "n_train": True}, r"data\.0\.n_train: .*integer \(got True\)"),
        (f"{DEPTH}data", {**DATA, "seed": 2**70}, r"data\.0\.seed: .*less than or equal to"),
        (
            f"{DEPTH}data",
            {**DATA, "options": {"samples": 10**9, "d_in": 10**9}},
            r"data set 'teacher': expected at most 100 GB of samples, got 8e\+09 GB",
        ),
        (
            f"{DEPTH}data",
            {"name": "file", "options": {"path": f"{LONG}.npz"}},
            r"option 'path' of data set 'file': .*got no such file",
        ),
        (f"{DEPTH}grids", [], r"depth\.grids: .*at least 1 item"),
        ("study", "reference", r"study: expected another name: results/reference/ holds the ship"),
        ("study", "Reference", r"study: expected another name"),
        ("study", "a/b", r"study: String should match pattern"),
        ("study", "$(x)", r"study: String should match pattern"),
        ("study", LONG, r"study: .*at most 64 characters"),
        ("experiments", {LONG: {**NET}}, r"experiments\.xxx.*: .*at most 64 characters"),
        ("experiments", {"a/b": {**NET}}, r"experiments\.a/b.*: String should match pattern"),
        ("experiments", {}, r"expected at least one entry of experiments, initialization or phase"),
        ("plugins", ["nope.py"], r"plugins: expected a Python file, got no such file: 'nope\.py'"),
        ("plugins", [f"{LONG}.py"], r"plugins: expected a Python file, got no such file"),
        ("jobs.minutes", INF, r"jobs\.minutes: .*finite number"),
        ("jobs.minutes", 1e-320, r"jobs\.minutes: .*greater than or equal to 0\.001"),
        ("jobs.minutes", True, r"jobs\.minutes: .*number \(got True\)"),
        ("jobs.gflops", INF, r"jobs\.gflops: .*finite number"),
        ("jobs.threads", 10**12, r"jobs\.threads: .*less than or equal to 1024"),
        ("jobs.memory_mb", INF, r"jobs\.memory_mb: .*finite number"),
        ("jobs.compiled", "maybe", r"jobs\.compiled: .*boolean \(got 'maybe'\)"),
        ("limits.runs", 0, r"limits\.runs: .*greater than 0"),
        ("initialization.eoc", {**NET, "depth": 10**12}, r"initialization\.eoc\.depth\.0: .*10000"),
        (
            "phase_diagrams.depth",
            {**NET, "log2_c": {"from": 0, "to": 5000}},
            r"phase_diagrams\.depth\.log2_c\.to: .*127",
        ),
        ("phase_diagrams.depth", {**NET, "resolution": 10**9}, r"depth\.resolution: .*100"),
        ("phase_diagrams.depth", {**NET, "loss": None}, r"expected a value of loss here or in"),
    ],
)
def test_values(tmp_path, key, value, message, fault):
    values = changed(key, value)
    if message is None:
        assert planned(written(values, tmp_path))[0] > 0
    else:
        refused(values, tmp_path, message)
        fault("bad input", "value of a study", OUTCOME)

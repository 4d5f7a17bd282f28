"""A file that is no study, and a plan that is too large, are refused by one message."""

import pytest

from bad_input import DATA, NET, changed, planned, refused, written
from nup import inputs
from nup.errors import UserError
from nup.study.load import load

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"\(top level\): expected a mapping .* \(got None\)"),
        ("5", r"\(top level\): expected a mapping .* \(got 5\)"),
        (b"study: \xff\xfe", "expected text in UTF-8, got byte 0xff at position 7; save it as"),
        ("study: test".encode("utf-16"), "expected text in UTF-8"),
        ("study: a\nstudy: b\n", "each key once, got 'study' again, first in line 1; keep"),
        ("study: a\ndefaults: {steps: 1, steps: 2}", "each key once, got 'steps' again"),
        (LAUGHS, "at most 50,000 values, aliases counted as often as they are used"),
        (MERGES, "at most 50,000 values, aliases counted as often as they are used"),
        ("study: &a [*a]", "expected an alias of something else, got one within itself"),
        ("study: " + "[" * 50_000, "at most 32 levels of nesting"),
        ("study: " + "[" * 50 + "]" * 50, "at most 32 levels of nesting"),
        ("study: " + "x" * 6_000, "at most 5,000 characters in one value"),
        ("study: " + "9" * 4_999, "expected a value of type int, got '9999"),
        ("study: 2020-13-45", "expected a value of type timestamp, got '2020-13-45'"),
        ("study: !!bool perhaps", "expected a value of type bool, got 'perhaps'"),
        ("study: !!python/object:os.system x", "could not determine a constructor"),
        ("# " + "x" * 1_000_000, "expected at most 1,000,000 bytes, got 1,000,002"),
        (
            "study: t\n" + "".join(f"k{i}: 1\n" for i in range(100)),
            "unknown key 'k0'.* and 80 more",
        ),
        ("study: t", "expected at least one entry of experiments, initialization or phase_diag"),
    ],
)
def test_files(tmp_path, content, message, fault):
    refused(content, tmp_path, message)
    of = "file that is not UTF-8" if "UTF-8" in message else "file of a study"
    fault("bad input", of, "one message that names the file")


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "study.yaml").mkdir()
    with pytest.raises(UserError, match="expected a text file, got a folder"):
        load(tmp_path / "study.yaml")


def test_numbers_may_be_written_with_an_exponent():
    assert inputs.parse_yaml("[1e-3, 1.5e3, -2E+2, 1e]") == [0.001, 1500.0, -200.0, "1e"]


def test_aliases_and_merged_keys_are_no_repetition():
    found = inputs.parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: *a")
    assert found == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}, "c": {"x": 1, "y": 2}}


@pytest.mark.parametrize("kind", ["initialization", "phase_diagrams"])
def test_studies_without_experiments(tmp_path, kind):
    values = {"study": "test", kind: {"depth": {**NET, "data": DATA}}}
    assert sum(planned(written(values, tmp_path))) == 1


def test_a_plan_that_is_too_large_is_counted_and_not_made(tmp_path):
    axes = {"seeds": 1000, "depth": list(range(2, 102)), "width": list(range(1, 101))}
    large = changed("experiments.depth", {"parameterization": "nup", **axes})
    refused(large, tmp_path, r"experiments\.depth: expected at most 200,000 runs in all, got 10,0")
    nets = changed("initialization.eoc", {"parameterization": "mup", **axes})
    refused(nets, tmp_path, r"initialization\.eoc: expected at most 200,000 nets at init")
    cells = changed("phase_diagrams.depth", {"parameterization": "mup", **axes})
    refused(cells, tmp_path, r"phase_diagrams\.depth: expected at most 200,000 values of c")


def test_the_count_is_that_of_the_plan(tmp_path):
    axes = {
        "parameterization": [{"name": "nup", "r": [1, 2]}, {"name": "mup", "match": [None, "nup"]}],
        "depth": [2, 3],
        "width": [4, 5],
        "activation": ["abs", "relu"],
        "weight_variance": [1, 2],
        "seeds": 2,
        "learning_rate": [1, 2],
        "schedule": [
            {"name": "constant", "gradient_scaling": ["none", "equal"]},
            {"name": "sharpness", "c": [1, 2, 3]},
        ],
    }
    values = changed("experiments.depth", axes)
    assert planned(written(values, tmp_path))[0] == 4 * 2**5 * (2 * 2 + 3)
    limits = {"runs": 4 * 2**5 * (2 * 2 + 3)}
    assert planned(written({**values, "limits": limits}, tmp_path))[0] == limits["runs"]
    fewer = {**values, "limits": {"runs": limits["runs"] - 1}}
    refused(fewer, tmp_path, r"at most 895 runs in all, got 896 up to here; .* raise limits\.runs")


def test_nets_that_are_too_large(tmp_path):
    large = {"parameterization": "nup", "depth": 64, "width": 1000}
    message = r"expected nets of at most 1,000,000,000 weights, got 198,403,971,985,000 in nup\(r=2"
    refused(changed("experiments.depth", large), tmp_path, rf"experiments\.depth: {message}")
    refused(changed("initialization.edge", large), tmp_path, rf"initialization\.edge: {message}")
    refused(changed("phase_diagrams.depth", large), tmp_path, rf"phase_diagrams\.depth: {message}")
    # Of infinite width, no weights are drawn.
    limit = changed("initialization.edge", {**large, "kernel": "limit"})
    assert planned(written(limit, tmp_path)) == (1, 1, 0)
    meant = changed("limits.weights", 10**15, changed("experiments.depth", large))
    assert planned(written(meant, tmp_path))[0] == 1

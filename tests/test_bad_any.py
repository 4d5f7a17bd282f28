"""Any value at any key of a study and of the command line: planned, or refused by its name."""

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bad_input import (
    DATA,
    INF,
    LONG,
    NAN,
    NET,
    SMALL,
    STUDY,
    changed,
    command,
    nothing_is_trained,
    planned,
    written,
)
from nup.errors import UserError
from nup.study import quick_run


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_trained():
    with nothing_is_trained():
        yield


#: A study with every key; each is given any value in turn.
FULL = {
    "study": "test",
    "plugins": [],
    "jobs": {
        "minutes": 1,
        "gflops": 100,
        "threads": 1,
        "gpus": 0,
        "memory_mb": 4000,
        "compiled": True,
    },
    "limits": {"runs": 500, "weights": 10**7},
    "defaults": {
        "data": {**DATA, "seed": 0, "options": {"samples": 128, "centered": False}},
        "steps": 4,
        "seeds": 1,
        "loss": "mse",
        "dtype": "float32",
        "activation": "abs",
        "weight_variance": 1.0,
        "batch_size": None,
        "record": {"layers": 2, "hessian": 0},
    },
    "experiments": {
        "depth": {
            "parameterization": {
                "name": "nup",
                "r": 2,
                "options": {"scale": "base"},
                "match": [None, {"name": "nup", "r": 1}],
                "learning_rate": {"log2": {"from": -1, "to": 0, "per_octave": 1}},
            },
            "depth": 2,
            "width": 4,
            "schedule": {
                "name": "cosine",
                "warmup": 0.1,
                "gradient_scaling": {"name": "equal", "options": {}},
                "learning_rate": {"edge": {"from": -1, "to": 0}},
            },
            "grids": [{"learning_rate": {"edge": [1]}, "seeds": [0, 1]}],
        },
        "adamw": {
            **NET,
            "parameterization": "sp",
            "optimizer": {"name": "adamw", "beta1": 0.9, "learning_rate": 0.1},
            "record": {"curvature": 0, "hessian": 0},
        },
    },
    "initialization": {"eoc": {**NET, "kernel": "net"}},
    "phase_diagrams": {
        "depth": {
            **NET,
            "steps": 8,
            "early": 4,
            "sharpness": "hessian",
            "log2_c": {"from": 0, "to": 1, "per_octave": 1},
            "resolution": 2,
            "loss": "mse",
            "dtype": "float32",
        }
    },
}


def paths(values, above=()):
    """Every path of keys in nested mappings and lists."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in pairs:
        yield (*above, key)
        if isinstance(value, (dict, list)):
            yield from paths(value, (*above, key))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 8)
    | st.integers()
    | st.sampled_from([10**12, 2**63, -(10**30), 10**400, 1e300, -1e300, 1e-300, INF, -INF, NAN])
    # A process that trained flushes subnormal numbers.
    | st.floats(allow_subnormal=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "a/b", "$(x)", LONG, "1e5", "nan", "run", "sp", "none", "reference"])
    | st.dates()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(SCALARS.filter(lambda key: key == key), inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "log2", "edge", "from", "to"]), inner)
    ),
    max_leaves=6,
)
OFTEN = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


def test_the_full_study_is_valid(folder):
    assert min(planned(written(FULL, folder))) > 0


@OFTEN
@given(path=st.sampled_from(list(paths(FULL))), value=VALUES)
def test_any_value_at_any_key_of_a_study(folder, path, value):
    try:
        content = yaml.dump(changed(path, value, FULL), Dumper=yaml.CSafeDumper)
        found = planned(written(content, folder))
    except UserError as error:
        # What is refused may be what a value makes of the key above it.
        named = [key.replace("_", " ") for key in path[-3:] if isinstance(key, str)]
        assert any(key in str(error).replace("_", " ") for key in named), error
        assert len(str(error)) < 5000
    else:
        assert all(isinstance(count, int) for count in found)
        assert sum(found) > 0


@OFTEN
@given(key=VALUES, value=VALUES)
def test_any_other_key_of_a_study(folder, key, value):
    try:
        hash(key)
    except TypeError:
        return
    with pytest.raises(UserError, match=r"unknown key|not valid YAML"):
        planned(written(yaml.dump({**STUDY, key: value}), folder))


KEYS = sorted(
    {
        ".".join(path)
        for path in paths(FULL["experiments"]["depth"])
        if all(isinstance(key, str) for key in path)
    }
    | {f"data.{key}" for key in FULL["defaults"]["data"]}
    | {
        "steps",
        "loss",
        "dtype",
        "batch_size",
        "record",
        "record.layers",
        "nonsense",
        "",
        ".",
        "a.b",
    }
)


def shown(value):
    """A value as one may write it on the command line."""
    return yaml.dump(value, Dumper=yaml.CSafeDumper, default_flow_style=True, width=10**6).strip()


TEXTS = VALUES.map(shown) | st.text(max_size=12) | SCALARS.map(str)


def check_command(arguments, *named):
    status, message = command(*arguments)
    if status in ("trained", 0):
        return
    assert status == 2, message
    assert "Traceback" not in message
    said = message.replace("-", " ").replace("_", " ")
    assert any(name.replace("-", " ").replace("_", " ") in said for name in named), message


@OFTEN
@given(key=st.sampled_from(KEYS), text=TEXTS)
def test_any_value_of_set(key, text):
    # A name alone is as good as the mapping; what is refused may be what the value makes of it.
    named = [part for part in key.split(".") if part] or ["''", "--set", "KEY=VALUE"]
    check_command(("train", *SMALL, f"--set={key}={text}"), *named)


@OFTEN
@given(flag=st.sampled_from(quick_run.FLAGS), text=TEXTS)
def test_any_value_of_a_short_form(flag, text):
    check_command(("train", *SMALL, f"--{flag.name}={text}"), flag.name, *flag.key.split("."))


@settings(OFTEN, max_examples=100)
@given(
    option=st.sampled_from(["--threads", "--device", "--plugin"]),
    text=TEXTS,
)
def test_any_value_of_options_of_the_process(option, text):
    check_command(("train", *SMALL, f"{option}={text}"), option.strip("-"), "plug-in", text)


@settings(OFTEN, max_examples=100)
@given(name=st.sampled_from(["check-config", "plan"]), text=TEXTS)
def test_any_name_of_a_study(name, text):
    check_command((name, "--", text), "study")
    check_command((name, f"--plugin={text}", "--", "nonsense"), "plug-in", "plugin", "study", text)

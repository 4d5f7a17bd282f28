"""Rows on their cadences, and what the recorded columns must add up to."""

import numpy as np
import pytest
import torch

import problems
import references
from nup.training.loop import train
from nup.training.observables import cadences


def test_rows_follow_the_cadences_and_end_with_the_final_state():
    record = cadences(steps=4, curvature=3, taylor=0, layers=5, probe=5, features=0)
    spec = problems.run(steps=10, record=record)
    records = train([spec], problems.dataset())
    assert list(records.steps["step"]) == [0, 3, 4, 6, 8, 9, 10]
    assert list(records.layers["step"][::3]) == [0, 5, 10]
    measured = np.isfinite(records.steps["sharpness"])
    assert list(records.steps["step"][measured]) == [0, 3, 6, 9, 10]
    assert np.isnan(records.steps["taylor_1"]).all()
    assert np.isnan(records.layers["soft_rank"]).all()
    assert np.isfinite(records.layers["evolution"]).all()


def test_what_is_never_recorded_leaves_no_rows():
    record = cadences(steps=0, curvature=0, taylor=0, layers=0, probe=0, features=0)
    records = train([problems.run(record=record)], problems.dataset())
    assert len(records.steps["step"]) == len(records.layers["step"]) == 0
    assert records.runs["status"] == ["ok"]
    assert np.isnan(records.runs["final_sharpness"]).all()


def test_what_is_recorded_does_not_change_the_training():
    data = problems.dataset("classes")
    silent = cadences(steps=0, curvature=0, taylor=0, layers=0, probe=0, features=0)
    for make in (problems.run, lambda **changes: problems.taylor(2.0, **changes)):
        loud, quiet = (train([make(record=each)], data) for each in (problems.EVERY_STEP, silent))
        for name in ("final_loss", "validation_loss", "test_accuracy"):
            assert loud.runs[name] == pytest.approx(quiet.runs[name], rel=problems.EXACT)


def test_displacement_identity():
    """‖θ_T−θ_0‖² = Σ_t ‖Δ_t‖² + 2 Σ_t ‖Δ_t‖ ‖θ_t−θ_0‖ cos_t, from the recorded columns alone.

    The identity is exact; the columns are stored as float32, each good to 6e-8 of itself, and the
    terms are positive or not much larger than their sum here.
    """
    for spec in (problems.run(steps=60, learning_rate=0.3), problems.sharpness(2.5, steps=60)):
        steps = train([spec], problems.dataset()).steps
        update, moved, cosine = (
            steps[name].astype(np.float64) for name in ("update_norm", "displacement", "cosine")
        )
        cosine[0] = 0.0  # the displacement before the first update is zero
        terms = update[:-1] ** 2 + 2 * update[:-1] * moved[:-1] * cosine[:-1]
        np.testing.assert_allclose(np.cumsum(terms), moved[1:] ** 2, rtol=2e-6)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_taylor_coefficients_predict_the_change_of_the_loss(loss):
    """What T1 η + T2 η² + T3 η³ leaves out is of order η⁴: without kinks it falls 16-fold."""
    data = problems.dataset("classes")
    errors = []
    for rate in (0.2, 0.1):
        spec = problems.run(loss=loss, activation="linear", learning_rate=rate, steps=1)
        records = train([spec], data)
        t1, t2, t3 = (float(records.steps[f"taylor_{order}"][0]) for order in (1, 2, 3))
        change = float(records.runs["final_loss"][0] - records.runs["initial_loss"][0])
        errors.append(abs(change - (t1 * rate + t2 * rate**2 + t3 * rate**3)))
        assert errors[-1] < 0.25 * abs(t3 * rate**3)
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.1)


def test_accuracies_are_those_of_the_final_weights():
    data = problems.dataset("classes")
    record = problems.EVERY_STEP | {"accuracy": 5}
    spec = problems.run(loss="cross_entropy", learning_rate=0.3, steps=12, record=record)
    records = train([spec], data)
    _, states, shape, phi = problems.slow_training(spec, data)
    for split in ("train", "validation", "test"):
        inputs = torch.from_numpy(data.inputs[split])
        outputs, _ = references.forward(states[-1], inputs, shape, phi)
        hits = outputs.argmax(-1).numpy() == data.labels[split]
        assert records.runs[f"{split}_accuracy"][0] == pytest.approx(hits.mean())
    assert records.steps["test_accuracy"][-1] == pytest.approx(records.runs["test_accuracy"][0])


def test_a_regression_has_no_accuracy():
    records = train([problems.run()], problems.dataset())
    assert np.isnan(records.runs["test_accuracy"]).all()
    assert np.isnan(records.steps["test_accuracy"]).all()

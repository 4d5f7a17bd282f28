"""The tidy tables: every column with its type, unit and meaning, in one place.

``docs/tables.md`` is generated from this module, and ``nup.tables.store`` checks every table that
it writes against it. Types are Arrow type names; a column is nullable unless it is listed in
``REQUIRED``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nup.training import observables
from nup.training.observables import Column


def _label(meaning: str) -> Column:
    return Column("string", "", meaning)


def _number(meaning: str, unit: str = "1") -> Column:
    return Column("float64", unit, meaning)


def _count(meaning: str, unit: str = "1") -> Column:
    return Column("int64", unit, meaning)


#: Where a result comes from, of every table with rows that jobs compute.
COMPUTED: dict[str, Column] = {
    "code_digest": _label("digest of the modules that the result's computation imports or names"),
    "torch_version": _label("version of torch"),
    "numba_version": _label("version of numba, which compiles the kernels of training"),
    "mixed": _label(
        "what differs from the other rows in code or versions where that was accepted "
        "(`nup tables --accept-mixed`); null: nothing"
    ),
}

RUNS: dict[str, Column] = {
    "run_id": _label("digest of the run's specification; key of `steps` and `layers`"),
    "experiment": _label("the experiment of the study configuration that asked for the run"),
    "dataset": _label("data set"),
    "n_train": _count("training samples", "samples"),
    "data_seed": _count("seed of the split, and of the draw if the set is synthetic"),
    "data_options": _label("JSON: every option of the data set"),
    "loss_name": _label("mse = (1/2n) Σ|f−y|², or cross_entropy = mean −log softmax"),
    "batch_size": _count("samples per step; null is full batch", "samples"),
    "net": _label(
        "how a net is built and trained: canonical label, e.g. nup(r=2), mup matched to …"
    ),
    "parameterization": _label("name in the registry"),
    "net_options": _label("JSON: every option of the parameterization"),
    "width_exponent": _number("r of the width pattern m_k = round(m·k^r); 0 for constant widths"),
    "depth": _count("l, the number of weight matrices", "layers"),
    "base_width": _count("width of the grid cell", "units"),
    "width": _count("m, the width given to the parameterization", "units"),
    "matched_to": _label("parameterization whose parameter count `width` matches; empty: none"),
    "n_parameters": _count("number of weights", "weights"),
    "activation": _label("name or (a,b)"),
    "delta_phi": _number("Δ_φ = b²/(a²+b²)"),
    "weight_variance": _number("σ²; initial Var W_k,ij = σ²/m_{k-1}"),
    "schedule": _label("canonical label of the schedule, e.g. sharpness(c=2.5)+depthwise"),
    "schedule_name": _label("name in the registry of schedules"),
    "schedule_options": _label('JSON: every option of the schedule, e.g. {"c":2.5}'),
    "gradient_scaling": _label("canonical label of the gradient scaling, e.g. none, depthwise"),
    "scaling_options": _label("JSON: every option of the gradient scaling"),
    "optimizer": _label("name in the registry, with options that are no defaults"),
    "optimizer_options": _label("JSON: every option of the optimizer"),
    "learning_rate": _number("η that the schedule was given; null where the schedule finds it"),
    "edge": _number("c = η λ_0 where the rate was asked for in units of the edge, else null"),
    "trial": _count(
        "which trial of the search for the largest stable rate, from 1; 0 for a rate of the grid"
    ),
    "seed": _count("seed of the initial weights and of the minibatches"),
    "steps": _count("planned steps", "steps"),
    "dtype": _label("float32 or float64"),
    "status": _label("ok or diverged"),
    "last_step": _count("last step with a finite record", "steps"),
    "reason": _label("why the run diverged; empty for ok"),
    "null_loss": _number("loss of the constant predictor"),
    "initial_loss": _number("training loss at step 0"),
    "max_loss": _number("largest recorded training loss"),
    "min_loss": _number("smallest recorded training loss"),
    "late_loss": _number("mean training loss over the last tenth of the steps; null if diverged"),
    "final_loss": _number("training loss of the final state; null if diverged"),
    "stable": Column("bool", "", "finished with late_loss < 0.95 null_loss"),
    "initial_sharpness": _number("λ_0 of the preconditioned Gauss–Newton matrix"),
    "final_sharpness": _number("λ of the final state; null if diverged"),
    "train_accuracy": _number("of the final state; null if diverged or a regression"),
    "validation_accuracy": _number("of the final state; null if diverged or a regression"),
    "test_accuracy": _number("of the final state; null if diverged or a regression"),
    "validation_loss": _number("of the final state; null if diverged"),
    "curvature_fallbacks": _count(
        "steps at which taylor(c) met L'' ≤ 0 and kept its rate", "steps"
    ),
    "flops": _number(
        "operations that training needed to reach its last recorded state: "
        "`nup.training.operations`",
        "operations",
    ),
    "job_id": _label("the job that trained the run"),
    "stack_size": _count("runs trained in the same stack", "runs"),
    "wall_time_s": _number(
        "wall time of the run's stack divided by its runs, less compilation", "s"
    ),
    "device": _label("torch device"),
    "backend": _label("what took the steps: numba (compiled kernels) or torch"),
    "blas": _label("library that multiplied matrices, and its choice of kernels; null on a GPU"),
    "config_digest": _label("digest of the job's frozen specification"),
    "specification": _label("JSON: all that the run's numbers depend on; `run_id` is its digest"),
    "commit": _label("git commit; empty outside a repository"),
    "dirty": Column("bool", "", "the work tree differed from the commit"),
    "nup_version": _label("version of nup"),
    "python_version": _label("version of Python"),
    **COMPUTED,
}


class _Recorded(Mapping[str, Column]):
    """Columns of ``steps`` or ``layers``: keys, and what the registered observables declare."""

    def __init__(self, table: str, keys: Mapping[str, Column]) -> None:
        self._table, self._keys = table, keys

    def _columns(self) -> dict[str, Column]:
        return {**self._keys, **observables.columns(self._table)}

    def __getitem__(self, name: str) -> Column:
        return self._columns()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns())

    def __len__(self) -> int:
        return len(self._columns())


STEPS: Mapping[str, Column] = _Recorded(
    "steps",
    {
        "run_id": _label("run"),
        "step": Column(
            "int32", "steps", "t; row t describes θ_t and the update from θ_t to θ_{t+1}"
        ),
    },
)

LAYERS: Mapping[str, Column] = _Recorded(
    "layers",
    {
        "run_id": _label("run"),
        "step": Column("int32", "steps", "t"),
        "layer": Column("int16", "", "k = 1 … l"),
    },
)

INIT: dict[str, Column] = {
    "cell_id": _label("digest of the net, its seed and what was measured of it"),
    "experiment": _label("the initialization experiment of the study configuration"),
    "net": _label(
        "how a net is built and trained: canonical label, e.g. nup(r=2), mup matched to …"
    ),
    "parameterization": _label("name in the registry"),
    "net_options": _label("JSON: every option of the parameterization"),
    "width_exponent": _number("r of the width pattern"),
    "depth": _count("l", "layers"),
    "base_width": _count("m", "units"),
    "activation": _label("name or (a,b)"),
    "delta_phi": _number("Δ_φ"),
    "weight_variance": _number("σ²"),
    "seed": _count("seed of the weights"),
    "layer": Column("int16", "", "k = 1 … l"),
    "forward_log_norm": _number("ln RMS of h_k over samples and units"),
    "forward_theory": _number("its infinite-width value, (k/2) ln σ²"),
    "backward_log_norm": _number("ln of ‖∂L/∂h_k‖/‖∂L/∂h_l‖, both over all samples"),
    "backward_theory": _number("its infinite-width value, ((l−k)/2) ln σ²"),
    "cosine": _number("mean cosine of h_k over a fixed set of input pairs"),
    "cosine_theory": _number("mean over the pairs of the iterated cosine map"),
    "ntk_error": _number(
        "‖K − K_∞‖/‖K_∞‖ of the net's NTK on the probe set; in the rows k = l where asked for"
    ),
    "ntk_top": _number(
        "top eigenvalue of K/n, K the net's NTK averaged over outputs: about λ_0, rows k = l"
    ),
    "ntk_top_limit": _number("the same of infinite width, rows k = l"),
    "ntk_distance_error": _number(
        "relative error of 3π/(8 Δ_φ arccos ρ_l) as infinite-width NTK of two inputs, rows k = l"
    ),
    "ntk_condition": _number("condition number of the infinite-width NTK, rows k = l"),
    "ntk_condition_limit": _number("its limit in depth, 1 + n/3"),
    **COMPUTED,
}

PHASES: dict[str, Column] = {
    "cell_id": _label("digest of the net, its seed, and how its lines were looked for"),
    "experiment": _label("the phase diagram of the study configuration"),
    "dataset": _label("data set"),
    "n_train": _count("training samples", "samples"),
    "data_seed": _count("seed of the split"),
    "loss_name": _label("mse or cross_entropy, full batch"),
    "net": _label(
        "how a net is built and trained: canonical label, e.g. nup(r=2), mup matched to …"
    ),
    "parameterization": _label("name in the registry"),
    "net_options": _label("JSON: every option of the parameterization"),
    "width_exponent": _number("r of the width pattern; 0 for constant widths"),
    "depth": _count("l", "layers"),
    "base_width": _count("width of the grid cell", "units"),
    "width": _count("m, the width given to the parameterization", "units"),
    "matched_to": _label("parameterization whose parameter count `width` matches; empty: none"),
    "n_parameters": _count("number of weights", "weights"),
    "activation": _label("name or (a,b)"),
    "delta_phi": _number("Δ_φ"),
    "weight_variance": _number("σ²"),
    "seed": _count("seed of the weights"),
    "line": _label("loss, sharpness, catapult or divergence: see `nup.phases.threshold_search`"),
    "c": _number(
        "least c = η λ_0 tried at which the line's predicate holds; null if it never does"
    ),
    "learning_rate": _number("η = c/λ_0; null as c"),
    "initial_sharpness": _number("λ_0, of the matrix named in `sharpness`"),
    "censored": _label(
        "empty: bracketed; `below`: holds at lowest_c already; `above`: holds at no c tried; "
        "`dead`: λ_0 = 0"
    ),
    "exceptions": _count("values of c above the line at which the predicate does not hold"),
    "n_tried": _count("values of c tried"),
    "sharpness": _label("matrix whose top eigenvalue λ is: hessian or gauss_newton"),
    "steps": _count("T, length of the runs", "steps"),
    "early": _count("first steps in which loss and sharpness rise or do not", "steps"),
    "lowest_c": _number("least c tried"),
    "highest_c": _number("largest c tried"),
    "resolution": _count("values of c an octave to which a line is bisected"),
    "dtype": _label("float32 or float64"),
    **COMPUTED,
}

CLAIMS: dict[str, Column] = {
    "claim": _label("id in claims.yaml"),
    "reading": _label(
        "the reading that decides, or that the row judges; empty where a claim has but one"
    ),
    "activation": _label("activation that the row judges"),
    "setting": _label(
        "loss and batch size of the runs judged, e.g. `mse, full batch`; `initialization` where "
        "nothing was trained; empty where the experiment was not run"
    ),
    "criterion": _label("one condition of the claim, or `overall`: the claim as a whole"),
    "provenance": _label("v1, v2, comp, lit, derived or operational"),
    "estimate": _number("the estimator's value"),
    "low": _number("lower end of the 95 % interval over seeds, Student's t"),
    "high": _number("upper end"),
    "threshold": _label("the pre-set range in which the claim holds, e.g. [-0.35, 0.35]"),
    "n_seeds": _count("seeds in the estimate"),
    "verdict": _label("supported, contradicted, inconclusive or not run"),
    "reason": _label("why a verdict is inconclusive or not run; remarks"),
    "figure": _label("figure file under figures/"),
    "notebook": _label("notebook that shows the figure"),
}

#: A row for every reading of a claim and each of its criteria.
READINGS: dict[str, Column] = {
    **CLAIMS,
    "criterion": _label("one condition of the claim, or `overall`: the claim under this reading"),
}

TABLES: dict[str, Mapping[str, Column]] = {
    "runs": RUNS,
    "steps": STEPS,
    "layers": LAYERS,
    "init": INIT,
    "phases": PHASES,
    "claims": CLAIMS,
    "readings": READINGS,
}

#: Columns that must hold a value in every row.
REQUIRED: dict[str, tuple[str, ...]] = {
    "runs": (
        "run_id",
        "experiment",
        "parameterization",
        "depth",
        "width",
        "seed",
        "status",
        "stable",
    ),
    "steps": ("run_id", "step"),
    "layers": ("run_id", "step", "layer"),
    "init": ("experiment", "depth", "activation", "weight_variance", "seed", "layer"),
    "phases": ("cell_id", "experiment", "depth", "width", "activation", "seed", "line"),
    "claims": ("claim", "criterion", "provenance", "verdict", "figure", "notebook"),
    "readings": ("claim", "criterion", "provenance", "verdict", "figure", "notebook"),
}

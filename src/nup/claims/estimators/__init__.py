"""The estimators by name: functions of the selection and of the arguments in ``claims.yaml``.

Each returns a ``Measurement`` (one number a seed), or raises ``NotRun`` or ``Undecided``. Further
claims need one function here and one entry in the file.
"""

from __future__ import annotations

from collections.abc import Callable

from nup.claims.estimators.catapult import (
    amplitude_ratio,
    diverged_runs,
    largest_loss,
    late_amplitude,
    late_edge,
)
from nup.claims.estimators.depth import depth_slope, depth_slope_gain, width_slope
from nup.claims.estimators.edge import late_hessian_edge
from nup.claims.estimators.evolution import (
    evolution_depth_slope,
    evolution_depth_slope_gain,
    evolution_layer_slope,
    evolution_width_slope,
)
from nup.claims.estimators.features import (
    cosine_feature_agreement,
    cosine_feature_correlation,
    rate_correlation,
)
from nup.claims.estimators.initialization import log_norm_slope, log_norm_slope_ratio
from nup.claims.estimators.kernels import (
    concentration_depth_slope_gain,
    concentration_log_ratio,
    concentration_width_slope,
    condition_gap_ratio,
    doubling_ratio,
)
from nup.claims.estimators.phases import cosine_in_phase
from nup.claims.estimators.scaling import (
    diverged_below_largest_stable,
    final_loss_gain,
    stable_rate_ratio,
    stable_rate_ratio_gain,
)
from nup.claims.estimators.usefulness import accuracy_gain
from nup.claims.run_selection import Measurement

ESTIMATORS: dict[str, Callable[..., Measurement]] = {
    function.__name__: function
    for function in (
        accuracy_gain,
        amplitude_ratio,
        concentration_depth_slope_gain,
        concentration_log_ratio,
        concentration_width_slope,
        condition_gap_ratio,
        cosine_feature_agreement,
        cosine_feature_correlation,
        cosine_in_phase,
        depth_slope,
        depth_slope_gain,
        diverged_below_largest_stable,
        diverged_runs,
        doubling_ratio,
        evolution_depth_slope,
        evolution_depth_slope_gain,
        evolution_layer_slope,
        evolution_width_slope,
        final_loss_gain,
        largest_loss,
        late_amplitude,
        late_edge,
        late_hessian_edge,
        log_norm_slope,
        log_norm_slope_ratio,
        rate_correlation,
        stable_rate_ratio,
        stable_rate_ratio_gain,
        width_slope,
    )
}

__all__ = ["ESTIMATORS"]

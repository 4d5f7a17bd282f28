"""A regression on a random teacher network."""

from __future__ import annotations

import numpy as np

from nup.data.sources import Options, Samples, Shape, register
from nup.registry import Option


@register(
    "teacher",
    lambda options: Shape(options["d_in"], options["d_out"], options["samples"]),
    samples=Option(4096, int, low=1, meaning="samples of the pool"),
    width=Option(16, int, low=1, meaning="hidden units of the teacher"),
    d_in=Option(16, int, low=1, meaning="coordinates of an input"),
    d_out=Option(1, int, low=1, meaning="outputs"),
)
def teacher(options: Options, seed: int) -> Samples:
    """A regression on y = V |U x|: Gaussian weights, x Gaussian scaled to RMS 1.

    U [width, d_in] and V [d_out, width] have variances 1/d_in and 1/width, from their own stream.
    """
    width, d_in, d_out = options["width"], options["d_in"], options["d_out"]
    weights, draws = (np.random.default_rng([seed, stream]) for stream in (2, 3))
    first = weights.normal(size=(width, d_in)) / np.sqrt(d_in)
    second = weights.normal(size=(d_out, width)) / np.sqrt(width)
    inputs = draws.normal(size=(options["samples"], d_in))
    inputs /= np.sqrt(np.mean(inputs**2, axis=1, keepdims=True))
    return Samples(inputs, targets=np.abs(inputs @ first.T) @ second.T)

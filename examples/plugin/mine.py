"""A plug-in that adds one of each: name this file under ``plugins`` of a study.

Everything here is found, checked, labelled, trained, tabulated, judged and drawn like what is
shipped. The digest of this file is part of the ids of the runs that use it.
"""

import numpy as np

from nup.plugin import (
    Option,
    Parameterization,
    Samples,
    claims,
    dataset,
    notebook,
    parameterization,
    schedule,
)

claims("claims.yaml")
notebook("tilt.ipynb")


@dataset("rings", samples=Option(400, int, low=100, meaning="samples of the pool"))
def rings(options, seed):
    """Two noisy concentric rings in the plane, lifted to their monomials up to degree 2."""
    source = np.random.default_rng(seed)
    labels = source.integers(0, 2, options["samples"])
    angle = source.uniform(0, 2 * np.pi, options["samples"])
    radius = 1 + labels + 0.1 * source.normal(size=options["samples"])
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return Samples(np.stack([x, y, x * x, x * y, y * y, np.ones_like(x)], 1), labels=labels)


@parameterization(tilt=Option(0.5, low=0.0, meaning="exponent of the initial variance in k"))
def tilted(depth, width, d_in, d_out, tilt):
    """Constant widths, initial variances k^-tilt/m_{k-1}, and the factors of μP. [operational]"""
    widths = (d_in, *[width] * (depth - 1), d_out)
    return Parameterization(
        widths,
        output_multiplier=width**-0.5,
        lr_factors=tuple(width / fan_in for fan_in in widths[:-1]),
        variances=tuple(k**-tilt for k in range(1, depth + 1)),
    )


@schedule(power=Option(0.5, low=0.0, meaning="exponent of the decay"))
def inverse_power(moment):
    """η_t = η/(t + 1)^power."""
    return moment.learning_rate / (moment.step + 1) ** moment.options["power"]

"""The steps of training, compiled: one run after another, each within the cache.

``stretch`` is what training calls; the other modules are its kernels, on the flat arrays of one
run. They compute what ``nup.ensemble``, ``nup.curvature`` and ``nup.losses`` compute on stacks,
and are tested against them in float64.
"""

"""The steps of training, compiled: one run after another, each within the cache.

``stretch`` is what training calls; the other modules are its kernels, on the flat arrays of one
run. They compute what ``nup.networks.mlp``, ``nup.curvature.lanczos`` and ``nup.networks.losses`` compute on stacks,
and are tested against them in float64.
"""

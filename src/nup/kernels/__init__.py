"""The steps of training, compiled: one run after another, each within the cache.

``steps`` is what the backend ``numba`` calls; the other modules are its kernels, on the flat arrays
of one run. They compute what ``nup.networks`` and ``nup.curvature`` define on stacks, and are
tested against these in float64. Nothing here imports from the rest of nup.
"""

"""Exploratory tests of the cosine of new and cumulative updates, beyond the claims [operational].

No verdict depends on this package. ``motion`` and ``nulls`` calculate on arrays, ``trajectories``
selects runs from the tables, ``null_table`` and ``correlations`` summarize them. The package
imports neither torch nor training.
"""

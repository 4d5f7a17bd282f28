"""The cosine of new and cumulative updates, tested beyond the claims: exploratory [operational].

No verdict depends on this package. ``motion`` and ``nulls`` are calculations on arrays,
``trajectories`` selects runs from the tables, ``null_table`` and ``correlations`` summarize them.
Neither torch nor training is imported.
"""

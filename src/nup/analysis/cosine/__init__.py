"""The cosine of new and cumulative updates, tested beyond the claims: exploratory [operational].

No verdict depends on this package. ``motion`` and ``nulls`` are calculations on arrays,
``trajectories`` takes runs from the tables, ``null_table`` and ``correlations`` tell what they say.
Neither torch nor training is imported.
"""

"""Studies: their configuration and the grid of runs that it expands to."""

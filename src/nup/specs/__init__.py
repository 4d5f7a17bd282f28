"""Specifications: what one run, one net at initialization, one cell of a phase diagram is."""

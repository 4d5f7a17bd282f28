"""The two ways to take a step: torch on stacks, and compiled kernels."""

"""Training of stacks of runs, with everything measured along the way."""

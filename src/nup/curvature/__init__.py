"""Top eigenvalues of the Gauss–Newton matrix and the Hessian, and neural tangent kernels."""

"""Networks: activations, parameterizations, the MLP, losses, and infinite-width theory."""

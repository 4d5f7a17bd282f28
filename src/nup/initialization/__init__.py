"""Networks at their initialization against infinite-width theory."""

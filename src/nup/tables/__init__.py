"""The tidy tables: their schema, and the only reader and writer of their files."""

"""Data sets: sources, files, splits and standardization."""

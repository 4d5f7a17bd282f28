"""Analyses that decide no claim: null models of the cosine, slopes of phase lines."""

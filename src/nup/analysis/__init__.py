"""Analyses of the tables that decide no claim: the cosine's null models, slopes of phase lines."""

"""Output for readers beside figures: pages of notebooks, scorecards, comparisons."""

"""What a reader sees beside figures: pages of notebooks, scorecards, comparisons."""

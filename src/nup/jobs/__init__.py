"""Jobs of a study: planned, frozen in files, executed, resumed."""

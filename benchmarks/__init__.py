"""How fast stacks train, against what people would write instead: ``make bench``."""

"""How fast stacks train, against what people would write instead, and the rest: ``make bench``."""

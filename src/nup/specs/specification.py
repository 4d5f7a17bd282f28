"""Old place of the names of ``nup.specs``."""

from nup.specs import *  # noqa: F403

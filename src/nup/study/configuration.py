"""Old place of the names of ``nup.study.load`` and ``nup.study.models``."""

from nup.study.load import *  # noqa: F403
from nup.study.models import *  # noqa: F403

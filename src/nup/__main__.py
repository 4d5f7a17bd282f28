"""``python -m nup`` is the command line."""

import sys

from nup.cli import main

sys.exit(main())

"""Settings of all tests, made before any of them imports torch."""

import os

# The nets of the tests are tiny: threads only wait for each other, and for other test workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

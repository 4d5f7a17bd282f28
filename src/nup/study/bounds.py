"""How large the numbers and names of a study may be, and why: the one place of these bounds.

They keep out what is a slip of the pen or would never end; what fits a machine is up to its user.
``nup.study.fields`` makes types of them.
"""

from __future__ import annotations

#: Weight matrices: nets of 10,000 layers have been trained, and planning writes out every width.
MOST_DEPTH = 10_000
#: Base widths: one square matrix of that width is 4 terabytes.
MOST_WIDTH = 1_000_000
#: Every step may be a row of the tables.
MOST_STEPS = 1_000_000
#: Samples of a split; the largest image benchmarks have a tenth of it.
MOST_SAMPLES = 10_000_000
#: Seeds that a number stands for: a hundred times what any mean over seeds needs.
MOST_SEEDS = 10_000
#: Tables hold seeds as signed 64-bit integers.
MOST_SEED = 2**63 - 1
#: Rates, variances and c are kept in float32: its normal numbers are 2^-126 to 2^128.
LEAST_LOG2, MOST_LOG2 = -126, 127
#: Neighbours are then 0.7 % apart, and no optimum is that narrow.
MOST_PER_OCTAVE = 100
#: Trials of one boundary: the last would halve an octave to the resolution of float32.
MOST_TRIALS = 20
#: Options of registry entries, whatever they mean: the square still fits float32.
MOST_OPTION = 1e9
#: Numbers of an activation's pair, where not 0: squares and their ratios are then exact enough.
LEAST_SLOPE, MOST_SLOPE = 1e-6, 1e6
#: Minutes of a job: from well below what starting a process takes to a year.
LEAST_MINUTES, MOST_MINUTES = 1e-3, 525_600.0
#: A core delivers from 1 megaflop to more than any does; estimates of time divide by it.
LEAST_GFLOPS, MOST_GFLOPS = 1e-3, 1e6
#: Threads of one process: cores of the largest machines.
MOST_THREADS = 1_024
#: Megabytes of one process: a petabyte.
MOST_MEMORY_MB = 1e9
#: The samples of a data set, in memory at once: 100 gigabytes.
MOST_POOL_BYTES = 1e11
#: Names become parts of file names (at most 255 bytes with what is added), and words in figures.
MOST_NAME = 64
#: Names of registry entries, which may be a plug-in's.
MOST_ENTRY_NAME = 200
#: Under results/, this folder holds what is shipped.
RESERVED = ("reference",)

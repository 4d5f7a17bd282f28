"""What numbers and names a study may have, and why no others: the one place of these bounds.

They keep out what is a slip of the pen or would never end; what fits a machine is up to its user.
Numbers are strict: ``true`` and ``"4"`` are none, and neither are infinity and NaN.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

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


def _in_float32(value: float) -> float:
    least, most = 2.0**LEAST_LOG2, 2.0**MOST_LOG2
    if not least <= value <= most:
        raise ValueError(
            f"expected a number that float32 holds, {least:.2g} to {most:.2g}, got {value:g}"
        )
    return value


Depth = Annotated[int, Field(strict=True, gt=0, le=MOST_DEPTH)]
Width = Annotated[int, Field(strict=True, gt=0, le=MOST_WIDTH)]
Steps = Annotated[int, Field(strict=True, gt=0, le=MOST_STEPS)]
Cadence = Annotated[int, Field(strict=True, ge=0, le=MOST_STEPS)]
Samples = Annotated[int, Field(strict=True, gt=0, le=MOST_SAMPLES)]
Seed = Annotated[int, Field(strict=True, ge=0, le=MOST_SEED)]
PerOctave = Annotated[int, Field(strict=True, gt=0, le=MOST_PER_OCTAVE)]
Threads = Annotated[int, Field(strict=True, gt=0, le=MOST_THREADS)]
Gpus = Annotated[int, Field(strict=True, ge=0, le=1)]
#: Of what a study may ask for altogether; as large as one wants.
Limit = Annotated[int, Field(strict=True, gt=0)]
Log2 = Annotated[float, Field(strict=True, ge=LEAST_LOG2, le=MOST_LOG2, allow_inf_nan=False)]
Positive = Annotated[
    float, Field(strict=True, gt=0, allow_inf_nan=False), AfterValidator(_in_float32)
]
Minutes = Annotated[
    float, Field(strict=True, gt=0, ge=LEAST_MINUTES, le=MOST_MINUTES, allow_inf_nan=False)
]
Gflops = Annotated[
    float, Field(strict=True, gt=0, ge=LEAST_GFLOPS, le=MOST_GFLOPS, allow_inf_nan=False)
]
Megabytes = Annotated[float, Field(strict=True, gt=0, le=MOST_MEMORY_MB, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
EntryName = Annotated[str, Field(max_length=MOST_ENTRY_NAME)]
#: A name without separators of paths and characters of the shell.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=MOST_NAME)]


def _unreserved(name: str) -> str:
    # Some file systems do not tell Reference from reference.
    if name.lower() in RESERVED:
        raise ValueError(
            f"expected another name: results/{name.lower()}/ holds the shipped results, "
            f"got {name!r}; rename the study"
        )
    return name


def _options(values: Any) -> Any:
    """Options of an entry, each a value or a list of them; what they mean is checked later."""
    if not isinstance(values, dict):
        return values  # pydantic says so
    for key, value in values.items():
        if isinstance(value, list) and not value:
            raise ValueError(
                f"option {key!r}: expected a value or a list of at least one, got []; "
                "without a value there is no run"
            )
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, (int, float)) and abs(each) > MOST_OPTION:
                raise ValueError(
                    f"option {key!r}: expected at most {MOST_OPTION:g} in size, got {each!r}"
                )
    return values


StudyName = Annotated[Name, AfterValidator(_unreserved)]
Options = Annotated[dict[str, Any], BeforeValidator(_options)]

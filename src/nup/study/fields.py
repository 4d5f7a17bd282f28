"""Types of the values of a study: numbers and names within ``nup.study.bounds``.

Numbers are strict: ``true`` and ``"4"`` are none, and neither are infinity and NaN.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from nup.study.bounds import (
    LEAST_GFLOPS,
    LEAST_LOG2,
    LEAST_MINUTES,
    MOST_DEPTH,
    MOST_ENTRY_NAME,
    MOST_GFLOPS,
    MOST_LOG2,
    MOST_MEMORY_MB,
    MOST_MINUTES,
    MOST_NAME,
    MOST_OPTION,
    MOST_PER_OCTAVE,
    MOST_SAMPLES,
    MOST_SEED,
    MOST_STEPS,
    MOST_THREADS,
    MOST_TRIALS,
    MOST_WIDTH,
    RESERVED,
)


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
Trials = Annotated[int, Field(strict=True, ge=0, le=MOST_TRIALS)]
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

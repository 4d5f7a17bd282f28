"""What is measured, and how long for: in full, quickly, or barely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.problem import Shape

#: The shapes that peers are compared on.
SHAPES = (
    Shape("A", "mup", depth=4, width=64),
    Shape("B", "mup", depth=8, width=128),
    Shape("C", "nup", depth=8, width=8, options={"r": 2.0}),
    Shape("D", "mup", depth=8, width=512),
)

#: Growth is measured around this shape; small rates keep even the deepest nets from diverging.
CENTRE = Shape("centre", "mup", depth=8, width=128, rates=2, top_rate=2.0**-8)


@dataclass(frozen=True)
class Effort:
    """Sizes of the benchmark.

    ``repetitions`` rounds are timed, in each of which every peer trains for about ``seconds``.
    ``horizon`` is the number of steps over which peers must agree before they are timed.
    ``measured`` names the shapes of which curvature and jets are timed. ``growth`` lists the values
    of depth, width, members and samples. ``study`` is run by Snakemake from nothing, or only as far
    as ``targets`` if there are any. ``memory`` names the jobs whose memory is measured. ``scale``
    has the numbers of runs that are planned and collected, ``seeds`` how many of them slopes are
    averaged over.
    """

    shapes: tuple[Shape, ...]
    repetitions: int
    seconds: float
    horizon: int
    measured: tuple[str, ...]
    centre: Shape
    growth: Mapping[str, tuple[int, ...]]
    memory: tuple[str, ...]
    scale: tuple[int, ...]
    seeds: int
    study: str
    targets: tuple[str, ...] = ()


FULL = Effort(
    shapes=SHAPES,
    repetitions=5,
    seconds=0.5,
    horizon=5,
    measured=("A", "B", "C"),
    centre=CENTRE,
    growth={
        "depth": (4, 8, 16, 32),
        "width": (32, 64, 128, 256, 512, 1024),
        "members": (1, 2, 4, 8, 16, 32, 64),
        "samples": (64, 128, 256, 512, 1024),
    },
    memory=(
        "small",
        "wide",
        "deep",
        "growing widths",
        "many samples",
        "float64",
        "minibatches",
        "Hessian",
        "Taylor schedule",
        "long records",
    ),
    scale=(1000, 10_000, 100_000),
    seeds=16,
    study="laptop",
)

QUICK = Effort(
    shapes=SHAPES[:1],
    repetitions=2,
    seconds=0.15,
    horizon=5,
    measured=("A",),
    centre=CENTRE,
    growth={
        "depth": (4, 8, 16),
        "width": (64, 128, 256),
        "members": (8, 16, 32),
        "samples": (128, 256, 512),
    },
    memory=("small", "wide", "many samples"),
    scale=(1000,),
    seeds=4,
    study="ci",
)

_SMALL = Shape("tiny", "nup", depth=3, width=4, options={"r": 1.0}, samples=16, rates=2, seeds=2)

TINY = Effort(
    shapes=(_SMALL,),
    repetitions=1,
    seconds=0.005,
    horizon=10,
    measured=("tiny",),
    centre=_SMALL,
    growth={
        "depth": (2, 3, 4),
        "width": (2, 4, 8),
        "members": (1, 2, 4),
        "samples": (8, 16, 32),
    },
    memory=("small",),
    scale=(100,),
    seeds=2,
    study=str(Path(__file__).parent / "tiny.yaml"),
    targets=("results/tiny/tables/runs.parquet",),
)

EFFORTS = {"full": FULL, "quick": QUICK, "tiny": TINY}

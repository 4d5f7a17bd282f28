"""The library that multiplies matrices: its choice of kernels decides speed and last digits."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import scipy.linalg.cython_blas  # noqa: F401 (loads the BLAS that the kernels call)
import torch
from threadpoolctl import ThreadpoolController

#: OpenBLAS's names of x86 processors, by the vector instructions that their kernels use. A kernel
#: of the last set is the best where the processor has AVX-512, one of the last two with AVX2.
_AVX2 = {"Haswell", "Zen", "Excavator"}
_AVX512 = {"SkylakeX", "Cooperlake", "SapphireRapids"}


@cache
def libraries() -> ThreadpoolController:
    """The BLAS libraries of this process."""
    return ThreadpoolController()


@cache
def of_kernels() -> dict[str, Any]:
    """What threadpoolctl says of the BLAS that compiled kernels call; empty if it knows none.

    That is SciPy's: numba calls it by ``scipy.linalg.cython_blas``.
    """
    found = [each.info() for each in libraries().lib_controllers if each.user_api == "blas"]
    own = [each for each in found if "scipy" in Path(str(each["filepath"])).parent.name]
    return (own or found or [{}])[0]


def architecture() -> str:
    """The processor for which OpenBLAS has chosen its kernels; empty with another BLAS."""
    return str(of_kernels().get("architecture") or "")


def label(backend: str) -> str:
    """Library and kernels that multiply in steps of a backend: ``openblas 0.3.30 Haswell``."""
    if backend == "torch":
        mkl: Any = torch.backends.mkl  # without types
        library = "mkl" if mkl.is_available() else "blas"
        return f"torch's {library} {torch.backends.cpu.get_cpu_capability()}"
    found = of_kernels()
    parts = (found.get("internal_api"), found.get("version"), found.get("architecture"))
    return " ".join(str(part) for part in parts if part)


def shortfall() -> str:
    """What the kernels of OpenBLAS leave unused of this processor, as a sentence; else empty."""
    chosen, capability = architecture(), torch.backends.cpu.get_cpu_capability()
    best = {"AVX2": _AVX2 | _AVX512, "AVX512": _AVX512}.get(capability)
    if not chosen or best is None or chosen in best:
        return ""
    return (
        f"OpenBLAS multiplies by its kernels for {chosen}, which leave this processor's "
        f"{capability} unused: training is slower and last digits differ "
        "(is OPENBLAS_CORETYPE set?)"
    )

"""Reading the files of claims: ``config/claims.yaml`` and those of plug-ins."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from nup import inputs
from nup.claims.catalogue import Catalogue
from nup.claims.readings import read
from nup.errors import UserError


def load_catalogue(path: str | Path, *further: str | Path) -> Catalogue:
    """Read and check one or more files of claims, and read each claim under its readings.

    Args:
        path: the first file; its ``seeds`` hold for all claims.
        further: files whose claims and dimensions of readings are added.

    Returns:
        All claims, in the order of the files, with their ``readings``.

    Raises:
        UserError: a file is missing, is not YAML, or breaks the schema (the message names each
            place at fault), two files have a claim with the same id, or a claim does not fit the
            readings that it names.
    """
    first = _checked(path)
    if not first.claims:
        raise UserError(f"{path} does not follow the schema of claims: expected at least one claim")
    claims, origin = list(first.claims), {claim.id: path for claim in first.claims}
    dimensions = dict(first.readings)
    for other in further:
        found = _checked(other)
        for claim in found.claims:
            if claim.id in origin:
                raise UserError(
                    f"claim {claim.id!r} is in {origin[claim.id]} and in {other}: "
                    "expected an id of its own; rename one of the two"
                )
            origin[claim.id] = other
            claims.append(claim)
        dimensions = {**found.readings, **dimensions}
    update = {"claims": [read(claim, dimensions) for claim in claims], "readings": dimensions}
    return first.model_copy(update=update)


def _checked(path: str | Path) -> Catalogue:
    """One file, checked against the schema."""
    path = Path(path)
    if not inputs.is_file(path):
        raise UserError(
            f"expected the claims file at {path}; there is no such file. "
            "Give its path, or restore config/claims.yaml"
        )
    try:
        return Catalogue.model_validate(inputs.read_yaml(path))
    except ValidationError as error:
        raise UserError(_explain(path, error)) from None


def _explain(path: Path, error: ValidationError) -> str:
    """One line for each fault: where, and what was expected."""
    lines = [
        f"  {'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
        for fault in error.errors()
    ]
    return "\n".join([f"{path} does not follow the schema of claims:", *lines])

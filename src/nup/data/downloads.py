"""Files of data sets: found on this machine or downloaded, and always checked by their SHA-256.

Places are tried in turn, the data set's own folder in each: the folder that the environment
variable ``NUP_DATA`` names, the folder of an installed system package, the cache of this program,
and last the addresses of the file, from which it is downloaded into the cache. What is found or
downloaded is either the pinned file or an error, so where a file came from decides no result.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from nup.errors import UserError

#: Names the environment variable with the user's own folder of data sets.
VARIABLE = "NUP_DATA"
#: How long a server may stay silent.
TIMEOUT_S = 30


@dataclass(frozen=True)
class File:
    """A published file: its name, SHA-256 and addresses.

    ``contents`` is, if given, the SHA-256 of what a gzip file holds: a file that was compressed
    again, or lost the name in its header, is then as good as the published one.
    """

    name: str
    sha256: str
    urls: tuple[str, ...]
    contents: str = ""


@dataclass(frozen=True)
class Package:
    """A system package that installs the files of a data set into ``folder``."""

    name: str
    folder: Path


def fetch(file: File, data_set: str, package: Package | None = None) -> Path:
    """Path of a file of a data set, downloaded if it is nowhere on this machine.

    Raises:
        UserError: ``NUP_DATA`` is not a folder, a file found has another checksum, or no server
            has the pinned file.
    """
    own = user_folder()
    found = [own / data_set / file.name] if own else []
    found += [package.folder / file.name] if package else []
    for path in found:
        if path.is_file():
            _verify(path, file, data_set)
            return path
    return _download(file, data_set, package)


def user_folder() -> Path | None:
    """The folder that ``NUP_DATA`` names; None where it is unset or empty.

    Raises:
        UserError: there is no such folder.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"environment variable {VARIABLE}: expected an existing folder, got {name!r}; make the "
            "folder or unset the variable"
        )
    return folder


def cache_folder() -> Path:
    """Where downloads are kept: the folder ``nup`` among the user's caches."""
    import pooch

    return Path(pooch.os_cache("nup"))


def _verify(path: Path, file: File, data_set: str) -> None:
    """Refuse a file that is not the published one."""
    import pooch

    got = pooch.file_hash(str(path))
    if got == file.sha256 or (file.contents and _contents(path) == file.contents):
        return
    raise UserError(
        f"{path}: expected the original file of data set {data_set!r} with SHA-256 {file.sha256}, "
        f"got {path.stat().st_size} bytes with SHA-256 {got}; remove it, or put the original into "
        f"the folder {data_set}/ of the folder that {VARIABLE} names"
    )


def _contents(path: Path) -> str:
    """SHA-256 of what a gzip file holds; empty if it is truncated or no gzip file."""
    try:
        with gzip.open(path) as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error):
        return ""


def _download(file: File, data_set: str, package: Package | None) -> Path:
    """The file in the cache, downloaded from the first address that has it."""
    import pooch

    folder = cache_folder() / data_set
    failures = []
    for url in file.urls:
        try:
            # Checks what is cached already, downloads beside it, and renames only a right file.
            path = pooch.retrieve(
                url,
                known_hash=f"sha256:{file.sha256}",
                fname=file.name,
                path=folder,
                downloader=pooch.HTTPDownloader(timeout=TIMEOUT_S),
            )
        except (ValueError, OSError) as error:  # Another checksum; no connection, no such file.
            failures.append(f"  {url}: {error}")
        else:
            return Path(path)
    installed = f", or install the Debian package {package.name}" if package else ""
    raise UserError(
        f"data set {data_set!r}: expected its file {file.name} with SHA-256 {file.sha256} on this "
        "machine or from a server, got neither:\n"
        + "\n".join(failures)
        + f"\ndownload it elsewhere, put it into a folder {data_set}/ and name the folder around "
        f"that in the environment variable {VARIABLE}{installed}"
    )

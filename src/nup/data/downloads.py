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

    ``contents`` is, if given, the SHA-256 of what a gzip file holds. Then that alone decides what
    is accepted on this machine: any gzip of the same contents, or the contents themselves, in a
    file with or without ``.gz`` at the end of its name. ``sha256`` is that of a download.
    """

    name: str
    sha256: str
    urls: tuple[str, ...]
    contents: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Under which names it is looked for."""
        bare = self.name.removesuffix(".gz")
        return (self.name, bare) if self.contents and bare != self.name else (self.name,)

    @property
    def expected(self) -> str:
        """What is pinned, in words."""
        return (
            f"contents with SHA-256 {self.contents}" if self.contents else f"SHA-256 {self.sha256}"
        )


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
    return find(file, data_set, package) or _download(file, data_set, package)


def find(file: File, data_set: str, package: Package | None = None) -> Path | None:
    """Path of a file of a data set on this machine; None if it is nowhere.

    A spoiled file in the cache counts as none, since a download mends it.

    Raises:
        UserError: ``NUP_DATA`` is not a folder, or a file found has another checksum.
    """
    own = user_folder()
    folders = [own / data_set] if own else []
    folders += [package.folder] if package else []
    for path in (folder / name for folder in folders for name in file.names):
        if path.is_file():
            got = _mismatch(path, file)
            if got:
                raise UserError(
                    f"{path}: expected the original file of data set {data_set!r} with "
                    f"{file.expected}, got {path.stat().st_size} bytes with {got}; remove it, or "
                    f"put the original into the folder {data_set}/ of the folder that {VARIABLE} "
                    "names"
                )
            return path
    cached = (cache_folder() / data_set / name for name in file.names)
    return next((path for path in cached if path.is_file() and not _mismatch(path, file)), None)


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
    """Where downloads are kept: the folder ``nup`` among the user's caches.

    Raises:
        UserError: the user has no home, and names no other folder for caches.
    """
    import pooch

    try:
        folder = Path(pooch.os_cache("nup"))
    except RuntimeError:  # by versions of platformdirs that do not leave "~" as it is
        folder = Path("~")
    if not folder.is_absolute():
        raise UserError(
            "expected a home folder to keep downloads in, got a user without one; set HOME or "
            f"XDG_CACHE_HOME, or put the data set's files into the folder that {VARIABLE} names"
        )
    return folder


def _mismatch(path: Path, file: File) -> str:
    """The checksum of a file that is not the published one, in words; empty if it is."""
    if not file.contents:
        with path.open("rb") as opened:
            got = hashlib.file_digest(opened, "sha256").hexdigest()
        return "" if got == file.sha256 else f"SHA-256 {got}"
    try:
        got = hashlib.sha256(contents(path)).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        return f"contents that cannot be read ({error})"
    return "" if got == file.contents else f"contents with SHA-256 {got}"


def contents(path: Path) -> bytes:
    """What a file holds, uncompressed if it is a gzip file.

    Raises:
        OSError, EOFError, zlib.error: it is a gzip file and damaged.
    """
    held = path.read_bytes()
    return gzip.decompress(held) if held[:2] == b"\x1f\x8b" else held


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
        f"data set {data_set!r}: expected its file {file.name} with {file.expected} on this "
        "machine or from a server, got neither:\n"
        + "\n".join(failures)
        + f"\ndownload it elsewhere, put it into a folder {data_set}/ and name the folder around "
        f"that in the environment variable {VARIABLE}{installed}"
    )

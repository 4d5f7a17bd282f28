"""Small image benchmarks in the formats of the originals, written for tests."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nup.data.downloads import File
from nup.data.images import ImageSet, read_cifar10, read_idx_pairs

IDX_NAMES = ("train-images", "train-labels", "t10k-images", "t10k-labels")


def idx(array: np.ndarray) -> bytes:
    """An array of bytes as an idx file."""
    header = bytes([0, 0, 8, array.ndim])
    return header + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def samples(count: int, d_in: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images [count, d_in] without black ones, and labels with every class."""
    draws = np.random.default_rng(seed)
    images = draws.integers(1, 256, (count, d_in), dtype=np.uint8)
    return images, (np.arange(count) % 10).astype(np.uint8)


def pinned(name: str, contents: bytes, url: str = "") -> File:
    """The file of these contents."""
    return File(name, hashlib.sha256(contents).hexdigest(), (url + name,) if url else ())


def idx_set(folder: Path, n_train: int = 60, n_test: int = 30) -> ImageSet:
    """A benchmark ``tiny`` of 3 × 4 pixels in the format of MNIST, its files in ``folder/tiny``."""
    arrays = []
    for seed, count in enumerate((n_train, n_test)):
        images, labels = samples(count, 12, seed)
        arrays += [images.reshape(count, 3, 4), labels]
    contents = [gzip.compress(idx(array)) for array in arrays]
    files = _write(folder / "tiny", dict(zip(IDX_NAMES, contents, strict=True)))
    return ImageSet("tiny", files, read_idx_pairs, 12, n_train, n_test)


def cifar10_set(
    folder: Path, edit: Callable[[dict[str, bytes]], object] = lambda members: None
) -> ImageSet:
    """A benchmark ``tiny`` in the format of CIFAR-10 with 10 images a batch.

    ``edit`` may change the files of the archive before they are written.
    """
    names = [f"data_batch_{batch}.bin" for batch in (1, 2, 3, 4, 5)] + ["test_batch.bin"]
    members = {"batches.meta.txt": b"airplane\n"}
    # Not in the order in which they are read.
    for seed, name in reversed(list(enumerate(names))):
        images, labels = samples(10, 3072, seed)
        members[name] = np.column_stack([labels, images]).tobytes()
    edit(members)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, contents in members.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(contents)
            archive.addfile(member, io.BytesIO(contents))
    files = _write(folder / "tiny", {"cifar.tar.gz": packed.getvalue()})
    return ImageSet("tiny", files, read_cifar10, 3072, 50, 10)


def _write(folder: Path, contents: dict[str, bytes]) -> tuple[File, ...]:
    folder.mkdir()
    for name, written in contents.items():
        (folder / name).write_bytes(written)
    return tuple(pinned(name, written) for name, written in contents.items())

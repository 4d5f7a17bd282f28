"""Image benchmarks: Fashion-MNIST, MNIST and CIFAR-10, read from the files as published.

The pinned SHA-256 of downloads are those of TensorFlow Datasets (``url_checksums/`` in its
repository ``tensorflow/datasets``). Of idx files the contents are pinned too, and they alone count
where a file lies on this machine already. Those of MNIST are of files with the MD5 that are
published for the uncompressed originals; those of Fashion-MNIST are of Debian's package, whose
files have exactly the checksums of the downloads once name and time are put back into their gzip
headers.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nup.data import downloads
from nup.data.downloads import File, Package, fetch
from nup.errors import UserError

ByteArray = npt.NDArray[np.uint8]
#: Reads the files of a set into images [n, d_in] and labels [n], training samples first.
Reader = Callable[[Sequence[Path]], tuple[ByteArray, ByteArray]]

CLASSES = 10


@dataclass(frozen=True)
class ImageSet:
    """A benchmark of 10 classes: its files, and the numbers of its pixels and samples."""

    name: str
    files: tuple[File, ...]
    read: Reader
    d_in: int
    n_train: int
    n_test: int
    package: Package | None = None


def load(image_set: ImageSet) -> tuple[ByteArray, ByteArray]:
    """Images [n, d_in] and labels [n] of a set, the original training samples first.

    Raises:
        UserError: see ``nup.data.downloads.fetch``; or files that hold something else than
            expected.
    """
    images, labels = image_set.read(download(image_set))
    size = image_set.n_train + image_set.n_test
    if images.shape != (size, image_set.d_in) or labels.shape != (size,):
        raise UserError(
            f"data set {image_set.name!r}: expected {size} images of {image_set.d_in} values and "
            f"as many labels, got arrays of shapes {images.shape} and {labels.shape}; get its "
            "original files"
        )
    return images, labels


def download(image_set: ImageSet) -> list[Path]:
    """Paths of the files of a set, downloaded where needed.

    Raises:
        UserError: see ``nup.data.downloads.fetch``.
    """
    return [fetch(file, image_set.name, image_set.package) for file in image_set.files]


def read_idx_pairs(paths: Sequence[Path]) -> tuple[ByteArray, ByteArray]:
    """Images [n, d_in] and labels [n] of idx files in the order images, labels, images, …"""
    arrays = [read_idx(path) for path in paths]
    images = np.concatenate([array.reshape(len(array), -1) for array in arrays[::2]])
    return images, np.concatenate(arrays[1::2])


def read_idx(path: Path) -> ByteArray:
    """The array of bytes in an idx file, gzipped or not.

    The format: two zeros, type 8 (unsigned byte), number of dimensions; sizes as big-endian 32-bit
    integers; then the values, last index fastest.

    Raises:
        UserError: the file holds something else, or less or more values than its sizes say.
    """
    contents = downloads.contents(path)
    if contents[:3] != b"\x00\x00\x08" or len(contents) < 4 + 4 * contents[3]:
        raise UserError(
            f"{path}: expected an idx file of unsigned bytes, which begins 00 00 08, got "
            f"{contents[:4].hex(' ') or 'no bytes'}; get the original file"
        )
    shape = np.frombuffer(contents, ">u4", contents[3], offset=4).astype(int)
    values = np.frombuffer(contents, np.uint8, offset=4 + 4 * contents[3])
    if len(values) != shape.prod():
        raise UserError(
            f"{path}: expected {' × '.join(map(str, shape))} = {shape.prod()} values as its header "
            f"says, got {len(values)}; get the original file"
        )
    return values.reshape(shape)


def read_cifar10(paths: Sequence[Path]) -> tuple[ByteArray, ByteArray]:
    """Images [n, 3072] and labels [n] of the archive of CIFAR-10's binary version.

    Each record is a label and the 32 × 32 reds, greens and blues of an image, a byte each.

    Raises:
        UserError: the archive lacks a file, or one does not consist of whole records.
    """
    (path,) = paths
    names = [f"data_batch_{batch}.bin" for batch in range(1, 6)] + ["test_batch.bin"]
    records = bytearray()
    with tarfile.open(path) as archive:
        members = {Path(member.name).name: member for member in archive if member.isfile()}
        for name in names:
            opened = archive.extractfile(members[name]) if name in members else None
            contents = opened.read() if opened else b""
            if not contents or len(contents) % 3073:
                raise UserError(
                    f"{path}: expected a file {name} of records of 3073 bytes, got "
                    f"{len(contents)} bytes; get the original file"
                )
            records += contents
    array = np.frombuffer(records, np.uint8).reshape(-1, 3073)
    return array[:, 1:], array[:, 0]


def _idx_files(
    mirrors: Sequence[str], sha256: Sequence[str], contents: Sequence[str]
) -> tuple[File, ...]:
    """The four files of a benchmark in the format of MNIST: images, labels; train, then test."""
    names = [
        f"{part}-{kind}-ubyte.gz"
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ]
    return tuple(
        File(name, digest, tuple(mirror + name for mirror in mirrors), held)
        for name, digest, held in zip(names, sha256, contents, strict=True)
    )


FASHION_MNIST = ImageSet(
    "fashion-mnist",
    _idx_files(
        (
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    read_idx_pairs,
    d_in=784,
    n_train=60000,
    n_test=10000,
    package=Package("dataset-fashion-mnist", Path("/usr/share/datasets/fashion-mnist")),
)

MNIST = ImageSet(
    "mnist",
    _idx_files(
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
        ),
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    read_idx_pairs,
    d_in=784,
    n_train=60000,
    n_test=10000,
)

CIFAR10 = ImageSet(
    "cifar10",
    (
        File(
            "cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
            ),
        ),
    ),
    read_cifar10,
    d_in=3072,
    n_train=50000,
    n_test=10000,
)

IMAGE_SETS = (FASHION_MNIST, MNIST, CIFAR10)

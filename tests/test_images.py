"""Image benchmarks: their formats, their original test sets, and a real one where installed."""

import gzip
import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest

import image_files
from nup.cli import main
from nup.data import datasets, downloads, images, sources
from nup.data.downloads import File
from nup.data.sources import SOURCES, Samples, Shape
from nup.data.sources.benchmarks import register_images
from nup.errors import UserError
from nup.specs import DataSpec

SPEC = DataSpec("tiny", n_train=40, n_validation=20, n_test=20, n_probe=10, seed=1)


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """The user's folder of data sets; registrations of the test are forgotten after it."""
    monkeypatch.setenv(downloads.VARIABLE, str(tmp_path))
    return tmp_path


def rows(inputs):
    """Images, each known by its bytes whatever its scale."""
    return {row.tobytes() for row in (inputs / inputs.max(axis=1, keepdims=True)).round(9)}


def test_idx_files_are_read_as_written(own):
    read, labels = images.load(image_files.idx_set(own))
    written = [image_files.samples(count, 12, seed) for seed, count in enumerate((60, 30))]
    np.testing.assert_array_equal(read, np.concatenate([image for image, _ in written]))
    np.testing.assert_array_equal(labels, np.concatenate([label for _, label in written]))
    assert read.dtype == labels.dtype == np.uint8


def test_cifar_archives_are_read_in_the_order_of_their_batches(own):
    read, labels = images.load(image_files.cifar10_set(own))
    written = [image_files.samples(10, 3072, seed) for seed in range(6)]
    np.testing.assert_array_equal(read, np.concatenate([image for image, _ in written]))
    np.testing.assert_array_equal(labels, np.concatenate([label for _, label in written]))


def test_original_test_images_are_for_test_and_probe(own):
    image_set = image_files.idx_set(own)
    register_images(image_set)
    pool, _ = images.load(image_set)
    dataset = datasets.load(SPEC)
    drawn = {split: rows(dataset.inputs[split]) for split in datasets.SPLITS}
    assert drawn["train"] | drawn["validation"] == rows(pool[:60])
    assert drawn["test"] | drawn["probe"] == rows(pool[60:])
    assert sum(map(len, drawn.values())) == 90
    np.testing.assert_array_equal(
        dataset.targets["test"].argmax(axis=1), dataset.labels["test"], strict=True
    )


def test_only_the_training_set_depends_on_its_size(own):
    register_images(image_files.idx_set(own))
    small, large = datasets.load(replace(SPEC, n_train=30)), datasets.load(SPEC)
    for split in ("probe", "test", "validation"):
        np.testing.assert_array_equal(small.inputs[split], large.inputs[split])
    np.testing.assert_array_equal(small.inputs["train"], large.inputs["train"][:30])
    fewer = datasets.load(replace(SPEC, n_test=5, n_validation=5))
    np.testing.assert_array_equal(fewer.inputs["probe"], large.inputs["probe"])
    assert datasets.load(replace(SPEC, seed=2)).digest != large.digest


@pytest.mark.parametrize("centered", [False, True])
def test_images_are_standardized_like_other_inputs(own, centered):
    image_set = image_files.idx_set(own)
    register_images(image_set)
    as_bytes = datasets.load(replace(SPEC, options={"centered": centered}))

    del SOURCES._entries["tiny"]

    @sources.register("tiny", Shape(12, 10, 90, 30))
    def as_floats(options, seed):
        pool, labels = images.load(image_set)
        return Samples(pool / 1.0, labels=labels.astype(np.int64), test_size=30)

    assert datasets.load(replace(SPEC, options={"centered": centered})).digest == as_bytes.digest


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            {"n_train": 50},
            r"has 60 original training samples, but 50 train \+ 20 validation = 70 were asked for; "
            r"lower one of n_train, n_validation$",
        ),
        (
            {"n_probe": 11},
            r"has 30 original test samples, but 20 test \+ 11 probe = 31 were asked for; "
            r"lower one of n_test, n_probe$",
        ),
    ],
)
def test_more_than_there_are_is_refused_without_files(own, counts, message):
    register_images(replace(image_files.idx_set(own), files=()))
    with pytest.raises(UserError, match=message):
        datasets.check(replace(SPEC, **counts))


@pytest.mark.parametrize(
    ("name", "d_in", "n_train"),
    [("fashion-mnist", 784, 60000), ("mnist", 784, 60000), ("cifar10", 3072, 50000)],
)
def test_benchmarks_are_known_without_files(name, d_in, n_train):
    spec = DataSpec(name, n_train=n_train - 500, n_validation=500, n_test=9900, n_probe=100)
    datasets.check(spec)
    assert datasets.dimensions(spec) == (d_in, 10)
    with pytest.raises(UserError, match=rf"has {n_train} original training samples"):
        datasets.check(replace(spec, n_validation=501))


def test_every_file_is_pinned():
    files = [file for image_set in images.IMAGE_SETS for file in image_set.files]
    assert len({file.sha256 for file in files}) == 9
    for file in files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert re.fullmatch("(?:[0-9a-f]{64})?", file.contents)
        assert all(url.endswith("/" + file.name) for url in file.urls)
        assert len(set(file.urls)) >= 2


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", r"expected an idx file of unsigned bytes, which begins 00 00 08, got no bytes"),
        (b"\x89PNG\r\n", r"got 89 50 4e 47; get the original file"),
        (bytes([0, 0, 8, 3, 0, 0]), r"got 00 00 08 03"),
        (image_files.idx(np.ones((2, 3), np.uint8))[:-1], r"expected 2 × 3 = 6 values .* got 5"),
        (image_files.idx(np.ones((2, 3), np.uint8)) + b"a", r"expected 2 × 3 = 6 .* got 7"),
    ],
)
def test_what_is_no_idx_file_is_refused(tmp_path, contents, message):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(contents))
    with pytest.raises(UserError, match=message):
        images.read_idx(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda members: members.pop("data_batch_3.bin"),
            r"a file data_batch_3.bin .* got 0 bytes",
        ),
        (
            lambda members: members.update({"test_batch.bin": bytes(3074)}),
            r"test_batch.bin of records of 3073 bytes, got 3074 bytes",
        ),
    ],
)
def test_an_incomplete_archive_is_refused(own, edit, message):
    with pytest.raises(UserError, match=message):
        images.load(image_files.cifar10_set(own, edit))


def test_other_sizes_than_registered_are_refused(own):
    image_set = replace(image_files.idx_set(own), n_test=31)
    with pytest.raises(
        UserError, match=r"expected 91 images of 12 values .* \(90, 12\) and \(90,\)"
    ):
        images.load(image_set)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_count_by_their_contents(own, packed):
    """Compressed again or not compressed at all, under either name."""
    image_set = image_files.idx_set(own)
    expected = images.load(image_set)
    files = []
    for number, file in enumerate(image_set.files):
        path = own / "tiny" / file.name
        held = gzip.decompress(path.read_bytes())
        files.append(File(f"{file.name}.gz", file.sha256, (), hashlib.sha256(held).hexdigest()))
        path.unlink()
        place = path.with_name(files[-1].names[number % 2])
        place.write_bytes(gzip.compress(held, mtime=1) if packed else held)
    again = replace(image_set, files=tuple(files))
    for found, wanted in zip(images.load(again), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    place.write_bytes(held[:-1])
    with pytest.raises(
        UserError, match=r"with contents with SHA-256 \w+, got \d+ bytes with contents"
    ):
        images.load(again)


def test_the_original_mnist():
    """As an npm package and servers have it; .ci/run puts it into the cache."""
    files = images.MNIST.files
    if not all(downloads.find(file, "mnist") for file in files):
        pytest.skip("the files of MNIST are not on this machine, see docs/data.md")
    pool, labels = images.load(images.MNIST)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    np.testing.assert_array_equal(np.bincount(labels[:60000]), counts)
    assert labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    # Mean and deviation of the training pixels, well known from their normalization.
    assert pool[:60000].mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert pool[:60000].std() / 255 == pytest.approx(0.3081, abs=5e-5)


# Debian's package holds the real Fashion-MNIST: where it is installed, it is tested too.
if images.FASHION_MNIST.package.folder.is_dir():

    def test_debian_has_the_original_fashion_mnist():
        pool, labels = images.load(images.FASHION_MNIST)
        np.testing.assert_array_equal(np.bincount(labels[:60000]), [6000] * 10)
        np.testing.assert_array_equal(np.bincount(labels[60000:]), [1000] * 10)
        # The mean pixel of the training images, well known from their normalization.
        assert pool[:60000].mean() / 255 == pytest.approx(0.2860, abs=5e-5)
        dataset = datasets.load(DataSpec("fashion-mnist", n_train=100, n_validation=50))
        assert rows(dataset.inputs["test"]) <= rows(pool[60000:])
        assert not rows(dataset.inputs["train"]) & rows(pool[60000:])


def test_files_are_fetched_before_they_are_needed(own, monkeypatch, capsys):
    image_set = image_files.idx_set(own)
    monkeypatch.setattr(images, "IMAGE_SETS", (image_set,))
    assert main(["download", image_set.name]) == 0
    printed = capsys.readouterr().out.split("\n")
    assert printed == [*(str(own / image_set.name / file.name) for file in image_set.files), ""]


def test_data_without_files_are_not_fetched(capsys):
    assert main(["download", "mnist", "digits"]) == 2
    assert (
        "expected one with files, fashion-mnist, mnist, cifar10, got 'digits'"
        in capsys.readouterr().err
    )

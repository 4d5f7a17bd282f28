"""Image benchmarks as sources: their original test images stay test images."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nup.data import images
from nup.data.sources import Options, Samples, Shape, register


def register_images(image_set: images.ImageSet) -> None:
    """Register an image benchmark."""
    size = image_set.n_train + image_set.n_test
    shape = Shape(image_set.d_in, images.CLASSES, size, image_set.n_test, item=1)

    @lru_cache(maxsize=1)  # one pool serves all splits
    def read() -> Samples:
        inputs, labels = images.load(image_set)
        return Samples(inputs, labels=labels.astype(np.int64), test_size=image_set.n_test)

    @register(image_set.name, shape)
    def pool(options: Options, seed: int) -> Samples:  # noqa: ARG001
        """An image benchmark of 10 classes, read from its published files."""
        return read()


for _image_set in images.IMAGE_SETS:
    register_images(_image_set)

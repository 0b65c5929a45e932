"""The data set that is at hand without any file: 1797 handwritten digits of 8 x 8 points."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archsim.cotraining.data.dataset import DataSet, Samples
from archsim.cotraining.data.npz import read_arrays

_FILE = Path(__file__).with_name("digits.npz")
_TRAINING = 1437


def digits() -> DataSet:
    """Source and licence are in `digits.md`.

    1437 images for training and 360 for the test, split by the permutation of numpy's default
    generator with seed 0, as the reference results of digits have it.
    """
    arrays = read_arrays(_FILE, ("images", "labels"))
    order = np.random.default_rng(0).permutation(len(arrays["labels"]))
    images, labels = arrays["images"][order], arrays["labels"][order]
    return DataSet(
        "digits",
        Samples(images[:_TRAINING], labels[:_TRAINING], "digits (training)", full_scale=16.0),
        Samples(images[_TRAINING:], labels[_TRAINING:], "digits (test)", full_scale=16.0),
        "Optical Recognition of Handwritten Digits (UCI, Alpaydin and Kaynak 1998), test set",
    )

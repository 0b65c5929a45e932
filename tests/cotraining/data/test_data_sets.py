"""Data sets: what was written is read, what is damaged is refused in a sentence."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from archsim.cotraining.data import (
    DataSet,
    Samples,
    as_whole_numbers,
    check_classes,
    checked,
    normalised,
    read_data,
    shaped,
)
from archsim.cotraining.data.idx import read_idx
from archsim.errors import InputError


def idx_bytes(array: np.ndarray, code: int = 0x08) -> bytes:
    """`array` as an IDX file."""
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


def mnist_folder(folder: Path, *, suffix: str = "") -> tuple[np.ndarray, np.ndarray]:
    """A tiny MNIST in `folder`; returns training images and labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 4, 5), dtype=np.uint8)
    labels = rng.integers(0, 10, 6, dtype=np.uint8)
    for prefix in ("train", "t10k"):
        for name, data in (("images-idx3", images), ("labels-idx1", labels)):
            text = idx_bytes(data)
            path = folder / f"{prefix}-{name}-ubyte{suffix}"
            path.write_bytes(gzip.compress(text) if suffix else text)
    return images, labels


def npz_file(path: Path, **changes: np.ndarray) -> Path:
    """A tiny `.npz` data set with some arrays changed; an array of None is left out."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.random((8, 3)),
        "y_train": np.arange(8) % 2,
        "x_test": rng.random((4, 3)),
        "y_test": np.arange(4) % 2,
        **changes,
    }
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_digits_are_those_of_the_source() -> None:
    """1797 images, split 1437 to 360, full scale 16, all ten classes, one known image."""
    data = read_data("digits")
    assert (len(data.train), len(data.test), data.classes) == (1437, 360, 10)
    assert data.train.batch(slice(None)).max() == 1.0
    # The first image of the source is a zero, whose first row is 0 0 5 13 9 1 0 0.
    first = int(np.flatnonzero(np.random.default_rng(0).permutation(1797) == 0)[0])
    part, index = (data.train, first) if first < 1437 else (data.test, first - 1437)
    assert part.inputs[index, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert part.labels[index] == 0


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read_as_written(tmp_path: Path, suffix: str) -> None:
    """Plain and packed files give the arrays that were written."""
    images, labels = mnist_folder(tmp_path, suffix=suffix)
    data = read_data(str(tmp_path))
    assert np.array_equal(data.train.inputs, images)
    assert np.array_equal(data.test.labels, labels)
    assert data.train.batch(slice(0, 1)).dtype == np.float32


def test_idx_numbers_come_in_native_order(tmp_path: Path) -> None:
    """Big-endian integers and floats keep their values."""
    values = np.array([[1.5, -2.0]], dtype=">f4")
    path = tmp_path / "a-idx2-float"
    path.write_bytes(idx_bytes(values, 0x0D))
    assert read_idx(path).tolist() == [[1.5, -2.0]]
    assert read_idx(path).dtype == np.float32


def test_cifar_files_are_read_as_written(tmp_path: Path) -> None:
    """Records of a label and three planes."""
    rng = np.random.default_rng(0)
    records = rng.integers(0, 10, (2, 3073), dtype=np.uint8)
    for name in (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"):
        (tmp_path / name).write_bytes(records.tobytes())
    data = read_data(str(tmp_path))
    assert data.train.inputs.shape == (10, 3, 32, 32)
    assert np.array_equal(data.test.inputs[1].ravel(), records[1, 1:])
    assert data.test.labels.tolist() == records[:, 0].tolist()
    (tmp_path / "test_batch.bin").write_bytes(records.tobytes()[:-1])
    with pytest.raises(InputError, match="no multiple of 3,073"):
        read_data(str(tmp_path))
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(InputError, match=r"data_batch_3\.bin"):
        read_data(str(tmp_path))


def test_npz_files_are_read_as_written(tmp_path: Path) -> None:
    """Arrays in either memory order keep their elements."""
    x = np.asfortranarray(np.arange(24.0).reshape(8, 3))
    data = read_data(str(npz_file(tmp_path / "d.npz", x_train=x)))
    assert np.array_equal(data.train.inputs, x)
    assert data.train.batch(slice(0, 2)).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_cut_off_idx_is_refused(tmp_path: Path) -> None:
    """Plain or packed, inside the header or the data: each says that it is cut off or damaged."""
    mnist_folder(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    whole = path.read_bytes()
    for length in (0, 3, 10, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cut off"):
            read_data(str(tmp_path))
    packed = tmp_path / "train-images-idx3-ubyte.gz"
    path.unlink()
    packed.write_bytes(gzip.compress(whole)[:-12])
    with pytest.raises(InputError, match="cut off"):
        read_data(str(tmp_path))


def test_idx_that_goes_on_is_refused(tmp_path: Path) -> None:
    """A compressed bomb behind a small header is not unpacked."""
    mnist_folder(tmp_path, suffix=".gz")
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(10**8)))
    with pytest.raises(InputError, match="goes on"):
        read_data(str(tmp_path))


def test_idx_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    """A header of terabytes costs no memory."""
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**10, 2**10))
    with pytest.raises(InputError, match="at most"):
        read_idx(path)
    path.write_bytes(struct.pack(">HBB3I", 0, 8, 3, 2**11, 2**10, 2**10))
    with pytest.raises(InputError, match="cut off"):
        read_idx(path)


def test_what_is_no_idx_is_refused(tmp_path: Path) -> None:
    """Other first bytes."""
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(b"\x89PNG0000")
    with pytest.raises(InputError, match="no IDX file begins"):
        read_idx(path)


def test_npz_with_objects_is_refused(tmp_path: Path) -> None:
    """Pickled objects could run code."""
    bad = np.array([{"a": 1}] * 8, dtype=object)
    with pytest.raises(InputError, match="Objects are not read"):
        read_data(str(npz_file(tmp_path / "d.npz", y_train=bad)))


def test_npz_with_a_lying_header_is_refused(tmp_path: Path) -> None:
    """A member whose array claims more than it holds, terabytes, or a shape that no array has."""
    path = npz_file(tmp_path / "d.npz")
    for shape, words in (
        ("(8, 9)", "cut off"),
        ("(99999999, 99999)", "at most"),
        ("(-8, -3)", "announces the shape"),
        (f"(8, 3{', 1' * 80})", "announces the shape"),
        ("(((8, 3)", "is no array"),
    ):
        changed = tmp_path / "e.npz"
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                data = old.read(name)
                if name == "x_train.npy":
                    stream = io.BytesIO()
                    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
                    text = header.encode().ljust(117) + b"\n"
                    stream.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
                    data = stream.getvalue() + data[128:]
                new.writestr(name, data)
        with pytest.raises(InputError, match=words):
            read_data(str(changed))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_test": None}, "x_test are missing"),
        ({"y_train": np.zeros(7, int)}, "8 inputs and 7 labels"),
        ({"y_train": np.array([0, 1, 0, -1, 0, 0, 0, 0])}, "label -1 is negative"),
        ({"x_train": np.full((8, 3), np.nan)}, "8 samples have a number as input"),
        ({"x_train": np.full((8, 3), 1e300)}, "beyond float32"),
        ({"y_test": np.zeros((4, 0), int)}, "with numbers in them"),
        ({"x_train": np.zeros((8, 0)), "x_test": np.zeros((4, 0))}, "with numbers in them"),
        ({"x_test": np.zeros((4, 2))}, "test inputs 2"),
        ({"y_test": np.zeros(4, bool)}, "truth values"),
        ({"x_train": np.zeros((0, 3)), "y_train": np.zeros(0, int)}, "at least one"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, changes: dict[str, np.ndarray], words: str) -> None:
    """Each finding is one sentence."""
    with pytest.raises(InputError, match=words):
        read_data(str(npz_file(tmp_path / "d.npz", **changes)))


def test_a_damaged_npz_is_refused(tmp_path: Path) -> None:
    """Any cut, and bytes that are no archive."""
    path = npz_file(tmp_path / "d.npz")
    whole = path.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            read_data(str(path))


@pytest.mark.parametrize(
    ("name", "words"),
    [("digit", "Did you mean 'digits'"), (".", "neither the files"), ("a.csv", "no such")],
)
def test_unknown_names_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    """With the nearest name, or what was expected."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        read_data(name)


def two(inputs: np.ndarray, labels: np.ndarray | None = None) -> DataSet:
    """The same samples for training and test."""
    wanted = np.zeros(len(inputs), dtype=np.int64) if labels is None else labels
    part = Samples(inputs, wanted, "here")
    return DataSet("two", part, part, "made up")


def test_shapes_are_fitted_or_refused() -> None:
    """Images flatten and unfold in order, channels move first, and nothing else passes."""
    images = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(shaped(two(images), (12,), "x").train.inputs, images.reshape(2, 12))
    assert shaped(two(images), (1, 4, 3), "x").test.shape == (1, 4, 3)
    colour = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    moved = shaped(two(colour), (3, 4, 5), "x").train.inputs
    assert np.array_equal(moved[1, 2], colour[1, :, :, 2])
    with pytest.raises(InputError, match=r"4 x 3 \(12 numbers\).*takes 3 x 4 \(12 numbers\)"):
        shaped(two(images), (3, 4), "x")


def test_standard_scaling_is_that_of_the_training_set() -> None:
    """Channels of the training set get mean 0 and deviation 1; the test set gets the same map."""
    rng = np.random.default_rng(0)
    train, test = (rng.normal(5.0, 2.0, (50, 3, 6, 6)) for _ in range(2))
    data = DataSet(
        "n", Samples(train, np.zeros(50, int), ""), Samples(test, np.zeros(50, int), ""), ""
    )
    scaled = normalised(data, "standard")
    found = scaled.train.batch(slice(None))
    assert np.abs(found.mean(axis=(0, 2, 3))).max() < 1e-5
    assert np.abs(found.std(axis=(0, 2, 3)) - 1).max() < 1e-5
    expected = (test - train.mean(axis=(0, 2, 3), keepdims=True)) / train.std(
        axis=(0, 2, 3), keepdims=True
    )
    assert np.allclose(scaled.test.batch(slice(None)), expected, rtol=1e-4, atol=1e-4)


def test_labels_need_an_output() -> None:
    """The first sample whose label is out of range is named."""
    data = two(np.zeros((3, 2)), np.array([0, 4, 9]))
    check_classes(data, 10)
    with pytest.raises(InputError, match=r"label 9 has no output \(sample 1 is the first"):
        check_classes(data, 4)


def test_words_stay_whole_numbers() -> None:
    """Inputs of an embedding are not scaled; fractions are refused."""
    assert as_whole_numbers(two(np.array([[3], [200]], np.uint8)), "ids").train.batch(
        slice(None)
    ).tolist() == [[3], [200]]
    with pytest.raises(InputError, match="takes whole numbers"):
        as_whole_numbers(two(np.zeros((2, 1))), "ids")


def test_checked_takes_good_data() -> None:
    """The check gives back what it was given."""
    data = two(np.zeros((3, 2)))
    assert checked(data) is data

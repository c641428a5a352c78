import numpy as np
import pytest

from lucid.datasets import load_digits


def test_all_digits():
    images, labels = load_digits(as_tensor=False)
    assert images.shape == (1797, 1, 8, 8) and images.dtype == np.float32
    assert labels.shape == (1797,) and labels.dtype == np.int64
    assert images.min() == 0 and images.max() == 1
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_split_is_stratified_and_complete():
    train, train_labels = load_digits(split="train", as_tensor=False)
    test, test_labels = load_digits(split="test", as_tensor=False)
    share = np.bincount(test_labels) / (np.bincount(train_labels) + np.bincount(test_labels))
    assert np.all(np.abs(share - 0.2) < 0.003)
    every = load_digits(as_tensor=False)[0]
    both = np.concatenate([train, test])
    assert sorted(map(bytes, both)) == sorted(map(bytes, every))


def test_split_never_changes():
    """Results are comparable only while everyone tests on the same images: these numbers must stay."""
    labels = load_digits(split="test", as_tensor=False)[1]
    assert len(labels) == 359
    assert labels[:10].tolist() == [4, 5, 6, 9, 4, 7, 8, 9, 9, 6]
    assert np.dot(labels, np.arange(359)) % 9973 == 8057


def test_tensors():
    import lucid

    images, labels = load_digits(split="test")
    assert images.dtype is lucid.float32 and labels.dtype is lucid.int64
    assert np.array_equal(np.asarray(images), load_digits(split="test", as_tensor=False)[0])


@pytest.mark.parametrize("split", ["valid", "Train", "", 0, ["train"]])
def test_bad_split(split):
    with pytest.raises(ValueError, match=r"split must be 'train', 'test' or None"):
        load_digits(split=split)

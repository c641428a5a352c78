"""The UCI optical handwritten digits: 1,797 images of 8x8 pixels (see data/README.md for source and licence)."""

import zlib
from importlib.resources import files

import numpy as np

__all__ = ["load_digits"]

TEST_SHARE = 0.2
SPLITS = ("train", "test")


def load_digits(*, split=None, as_tensor=True):
    """Load the handwritten digits that ship with lucid: no download, nothing to unpack.

    The split is stratified (each digit is shared out 80 to 20) and fixed: everyone trains on the same images.

    Args:
        split: ``"train"`` (1,438 images), ``"test"`` (359 images) or ``None`` for all 1,797.
        as_tensor: ``False`` gives NumPy arrays instead of tensors.

    Returns:
        ``(images, labels)``: float32 of shape (N, 1, 8, 8) in [0, 1], and int64 of shape (N,).

    Example:
        >>> from lucid.datasets import load_digits
        >>> images, labels = load_digits(split="test")
        >>> images.shape, labels.shape
        (lucid.Size([359, 1, 8, 8]), lucid.Size([359]))
        >>> float(images.min()), float(images.max())
        (0.0, 1.0)

    Source: E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49 (CC BY 4.0).
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"load_digits: split must be 'train', 'test' or None (all images); got {split!r}")
    packed = (files(__package__) / "data" / "digits.zlib").read_bytes()
    labels, *pixels = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(65, -1)  # one row for each place
    images: np.ndarray = np.empty((len(labels), 8, 8), np.uint8)
    images[np.argsort(labels, kind="stable")] = np.stack(pixels, 1).reshape(-1, 8, 8)
    if split is not None:
        rows = split_rows(labels)[SPLITS.index(split)]
        images, labels = images[rows], labels[rows]
    images = images[:, None].astype(np.float32) / 16  # a pixel counts the set dots of a 4x4 block
    labels = labels.astype(np.int64)
    if not as_tensor:
        return images, labels
    import lucid  # here, because `import lucid` may be what is loading this module

    return lucid.tensor(images), lucid.tensor(labels)


def split_rows(labels):
    """Row numbers of the (train, test) images: of each digit, the first fifth of one fixed shuffle is for testing."""
    # RandomState, because NumPy froze its stream for good; a Generator's may change with a NumPy release.
    order = np.random.RandomState(0).permutation(len(labels))
    shuffled = labels[order]
    test = np.zeros(len(labels), bool)
    for digit in np.unique(labels):
        members = order[shuffled == digit]
        test[members[: round(TEST_SHARE * len(members))]] = True
    return np.flatnonzero(~test), np.flatnonzero(test)

"""Writes lucid/datasets/data/digits.npz from scikit-learn's copy of the UCI optical digits.

Run once by a maintainer (`pip install scikit-learn`, then `python tools/make_digits.py`); users never need it.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).resolve().parents[1] / "lucid" / "datasets" / "data" / "digits.npz"


def main():
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    # The pixels are counts from 0 to 16, so uint8 loses nothing; better that this stops than ships rounded data.
    if images.shape != (1797, 8, 8) or images.max() != 16 or not np.array_equal(images, digits.images):
        raise SystemExit("scikit-learn's digits are not the 1,797 8x8 images of counts 0..16 that lucid ships")
    np.savez_compressed(TARGET, images=images, labels=labels)
    print(f"{TARGET}: {len(images)} images, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

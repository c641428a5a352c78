"""Writes lucid/datasets/data/digits.zlib from scikit-learn's copy of the UCI optical digits.

Run once by a maintainer (`pip install scikit-learn`, then `python tools/make_digits.py`); users never need it.
"""

import zlib
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).resolve().parents[1] / "lucid" / "datasets" / "data" / "digits.zlib"


def main():
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    # The pixels are counts from 0 to 16, so uint8 loses nothing; better that this stops than ships rounded data.
    if images.shape != (1797, 8, 8) or images.max() != 16 or not np.array_equal(images, digits.images):
        raise SystemExit("scikit-learn's digits are not the 1,797 8x8 images of counts 0..16 that lucid ships")
    by_label = images[np.argsort(labels, kind="stable")]
    columns = np.concatenate([labels[None], by_label.reshape(len(images), -1).T])
    # Each pixel has a Huffman table of its own; longer patterns than runs do not repeat. 9 kB less than .npz takes.
    packer = zlib.compressobj(9, strategy=zlib.Z_RLE)
    packed = b"".join(packer.compress(c.tobytes()) + packer.flush(zlib.Z_BLOCK) for c in columns)
    TARGET.write_bytes(packed + packer.flush())
    print(f"{TARGET}: {len(images)} images, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

"""Small real data sets that ship with lucid, ready to train on without a download."""

from lucid.datasets.digits import load_digits

__all__ = ["load_digits"]

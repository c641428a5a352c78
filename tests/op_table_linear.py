"""Rows for linear algebra, Fourier transforms, scans, and the ops under layers; references from NumPy and SciPy."""

import numpy as np
import scipy.linalg

import lucid
from lucid.testing import case

EYE = lucid.eye(3, dtype=lucid.float64)


def square(x):
    """Well away from singular, eigenvalues well apart."""
    return x + 4 * lucid.diag(lucid.arange(1, 4).to(x.dtype))


def symmetric(x):
    return square(x + x.mT)


def definite(x):
    return x @ x.mT + 2 * EYE.to(x.dtype)


def first_square(x, b):
    return square(x), b


def soft(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def attend(q, k, v, m):
    s = q @ k.swapaxes(-1, -2) * 0.5 + m
    e = np.exp(s)
    return (e / e.sum(-1, keepdims=True)) @ v


def attend_some(q, k, v, m, bits):
    e = np.exp(q @ k.swapaxes(-1, -2) * 0.5 + m)
    return (np.unpackbits(bits, -1, 5, "little") * e / e.sum(-1, keepdims=True)) @ v / 0.75


def scan(a, b):
    out, h = np.empty_like(b), 0.0
    for t in range(b.shape[-1]):
        h = a[..., t] * h + b[..., t]
        out[..., t] = h
    return out


def put_masked(x, mask, v):
    out = x.copy()
    out[mask] = v[: mask.sum()]
    return out


CLASSES = np.array([2, 0, 3])
BITS = np.array([[[21], [7], [30]], [[0], [31], [9]]], np.uint8)
BYTES = np.array([[0, 5], [255, 3], [129, 6]], np.uint8)
LONG_MASK = np.array([[True, False, True] * 4, [False, True, True] * 4])[:, :11]
MASK = np.array([[True, False, True, False]] * 3)


def turned(x, interleaved):
    """Pairs as complex numbers, times exp(i angle)."""
    half = x.shape[-1] // 2
    angle = np.exp(1j * np.arange(x.shape[-2])[:, None] * 100.0 ** (-np.arange(half) / half))
    z = (x[..., ::2] + 1j * x[..., 1::2] if interleaved else x[..., :half] + 1j * x[..., half:]) * angle
    return np.stack([z.real, z.imag], -1).reshape(x.shape) if interleaved else np.concatenate([z.real, z.imag], -1)


LINEAR = [
    # linear algebra
    case("inv", np.linalg.inv, (3, 3), prepare=square),
    case("solve", np.linalg.solve, (3, 3), (3, 2), prepare=first_square),
    case("solve_triangular", lambda a, b: scipy.linalg.solve_triangular(a, b), (3, 3), (3, 2), params=(True, False), prepare=first_square),
    case("det", np.linalg.det, (3, 3), prepare=square),
    case("cholesky", np.linalg.cholesky, (3, 3), prepare=definite),
    case("qr", lambda a: tuple(np.linalg.qr(a)), (4, 3), params=("reduced",)),
    case("eigh", None, (3, 3), params=("L",), prepare=symmetric),
    case("matrix_exp", scipy.linalg.expm, (3, 3)),
    case("vector_norm", lambda x: np.linalg.norm(x, 3, 1), (3, 4), params=(3, (1,), False), low=0.2),
    case("tril", np.tril, (3, 4), params=(0,)),
    case("triu", lambda x: np.triu(x, 1), (3, 4), params=(1,)),
    case("diagonal", lambda x: np.diagonal(x, 1, 0, 1), (3, 4), params=(1, 0, 1)),
    # statistics and scans
    case("var", lambda x: x.var(1, ddof=1), (3, 4), params=((1,), 1, False)),
    case("logcumsumexp", lambda x: np.log(np.cumsum(np.exp(x), 1)), (3, 4), params=(1,)),
    # shape and scatter
    case("unfold", lambda x: np.lib.stride_tricks.sliding_window_view(x, 3, 1)[:, ::2], (2, 7), params=(1, 3, 2)),
    case("repeat_interleave", lambda x: np.repeat(x, 2, 1), (3, 4), params=(2, 1)),
    case("index_put_add", lambda x, v: np.array([x[0] + v[0] + v[1], x[1], x[2] + v[2]]), (3, 4), (3, 4), params=((np.array([0, 0, 2]),),)),
    # under layers
    case("cross_entropy", lambda x, y: (-np.log(soft(x)[np.arange(3), y]), np.log(np.exp(x).sum(1))), (3, 4), (3,), fixed={1: CLASSES}),
    case("nll_rows", lambda x, y: -x[np.arange(3), y], (3, 4), (3,), fixed={1: CLASSES}),
    case("standardize", None, (3, 4), params=((1,), 1e-5)),
    case("attention", attend, (2, 3, 4), (2, 5, 4), (2, 5, 6), (3, 5), params=(0.5,)),
    case("attention_dropout", attend_some, (2, 3, 4), (2, 5, 4), (2, 5, 6), (3, 5), (2, 3, 1), params=(0.5, 0.25), fixed={4: BITS}),
    case("pack_bits", lambda x: np.packbits(x, -1, "little"), (2, 11), fixed={0: LONG_MASK}),
    case("unpack_bits", lambda x: np.unpackbits(x, -1, 11, "little").astype(bool), (3, 2), params=(11,), fixed={0: BYTES}),
    case("lstm_cell", None, (3, 8), (3, 2)),
    case("lstm_sequence", None, (3, 2, 8), (2, 2), (2, 2), (8, 2), params=(False,)),
    case("lstm_sequence", None, (3, 2, 8), (2, 2), (2, 2), (8, 2), params=(True,)),
    case("gru_cell", None, (3, 6), (3, 6), (3, 2)),
    case("conv", None, (2, 4, 6, 5), (6, 2, 3, 2), params=((2, 1), ((1, 1), (0, 2)), (1, 2), 2)),
    case("channel_sum", lambda x: x.sum((0, 2, 3)), (2, 3, 4, 5)),
    case("conv_bias", None, (2, 4, 6), (6, 2, 3), (6,), params=((2,), ((1, 0),), (1,), 2)),
    case("grid_sample", None, (2, 2, 4, 3), (2, 3, 2, 2), params=("bilinear", "zeros", False)),
    case("grid_sample", None, (1, 2, 4, 3), (1, 2, 3, 2), params=("bicubic", "reflection", True)),
    case("grid_sample", None, (2, 1, 3, 2, 3), (2, 2, 1, 2, 3), params=("bilinear", "border", True)),
    case("normalize", None, (3, 4), (1, 4), (1, 4), params=((1,), 1e-5)),
    case("rms_normalize", lambda x, w: x / np.sqrt((x * x).mean((1, 2), keepdims=True) + 0.1) * w, (4, 3, 2), (3, 2), params=((1, 2), 0.1)),
    case("rope", lambda x: turned(x, True), (2, 3, 4), params=(True, 100.0, 1.0)),
    case("rope", lambda x: turned(x, False), (3, 6), params=(False, 100.0, 1.0)),
    case("standardize_grad", None, (3, 4), (3, 4), (3, 1), params=((1,),)),
    case("linear_scan", scan, (2, 4), (2, 4), params=(1,)),
    case("pinv", np.linalg.pinv, (4, 3), params=(0.0, 1e-15, False)),
    case("diagonal_place", lambda v: np.stack([np.diag(r) for r in v]), (2, 3), params=((2, 3, 3), 0, 1, 2)),
    case("masked_scatter", lambda x, m, v: put_masked(x, m, v), (3, 4), (3, 4), (6,), fixed={1: MASK}),
    case("fft_r2c", lambda x: np.fft.rfft(x, axis=1), (2, 5), params=((1,), 1.0)),
]  # fmt: skip

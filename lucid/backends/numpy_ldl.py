"""Symmetric indefinite systems on NumPy, whose LAPACK has none: the diagonal pivoting of Bunch and Kaufman (1977)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._lapack import checked, pivot_size


def ldl_factor(x: Any, hermitian: bool) -> tuple:
    """LAPACK's ``sytrf`` (lower): L and the blocks of D in one matrix, and pivots (negative twice for a 2x2 block)."""
    checked(x)
    out, pivots = np.tril(x), np.zeros(x.shape[:-1], np.int32)
    for i in np.ndindex(*x.shape[:-2]):
        _bunch_kaufman(out[i], pivots[i], hermitian and x.dtype.kind == "c")
    return out, pivots


def _bunch_kaufman(a: Any, pivots: Any, hermitian: bool) -> None:
    n, alpha, k = len(a), (1 + 17**0.5) / 8, 0
    conj = np.conjugate if hermitian else (lambda v: v)
    while k < n:
        column = pivot_size(a[k + 1 :, k])
        largest = column.max(initial=0.0)
        r = k + 1 + int(column.argmax()) if len(column) else k
        size, p = 1, k
        own = pivot_size(a[k, k])
        if max(own, largest) > 0 and own < alpha * largest:
            row = max(pivot_size(a[r, k:r]).max(initial=0.0), pivot_size(a[r + 1 :, r]).max(initial=0.0))
            if own * row >= alpha * largest**2:
                pass
            elif pivot_size(a[r, r]) >= alpha * row:
                p = r
            else:
                size, p = 2, r
        q = k + size - 1
        if p != q:
            _exchange(a, q, p, k, conj)
        if size == 1:
            pivots[k] = p + 1
            if a[k, k] != 0:
                a[k + 1 :, k] /= a[k, k]
                scaled = a[k + 1 :, k]
                a[k + 1 :, k + 1 :] -= np.tril(np.outer(scaled, conj(scaled)) * a[k, k])
        else:
            pivots[k] = pivots[k + 1] = -(p + 1)
            d = np.array([[a[k, k], conj(a[k + 1, k])], [a[k + 1, k], a[k + 1, k + 1]]])
            w = a[k + 2 :, k : k + 2] @ np.linalg.inv(d)
            a[k + 2 :, k + 2 :] -= np.tril(w @ d @ conj(w).T)
            a[k + 2 :, k : k + 2] = w
        k += size


def _exchange(a: Any, q: int, p: int, k: int, conj: Any) -> None:
    """Swap rows and columns q < p of a symmetric matrix of which the lower triangle is kept (columns before k as they are)."""
    held = a[p + 1 :, p].copy()
    a[p + 1 :, p] = a[p + 1 :, q]
    a[p + 1 :, q] = held
    held = conj(a[q + 1 : p, q]).copy()
    a[q + 1 : p, q] = conj(a[p, q + 1 : p])
    a[p, q + 1 : p] = held
    a[p, q] = conj(a[p, q])
    a[q, q], a[p, p] = a[p, p], a[q, q]
    if q > k:  # the first column of a 2x2 block
        a[q, k], a[p, k] = a[p, k], a[q, k]


def ldl_solve(ld: Any, pivots: Any, b: Any, hermitian: bool) -> Any:
    """Solve with what ``ldl_factor`` returned."""
    out = np.array(np.broadcast_to(b, (*ld.shape[:-2], *b.shape[-2:])), order="C")
    hermitian = hermitian and ld.dtype.kind == "c"
    for i in np.ndindex(*ld.shape[:-2]):
        _ldl_substitute(ld[i], pivots[i], out[i], np.conjugate if hermitian else (lambda v: v))
    return out


def _ldl_substitute(a: Any, pivots: Any, b: Any, conj: Any) -> None:
    n, k, blocks = len(a), 0, []
    while k < n:
        size = 1 if pivots[k] > 0 else 2
        p, q = abs(int(pivots[k])) - 1, k + size - 1
        b[[p, q]] = b[[q, p]] if p != q else b[[p, q]]
        rows = slice(k, k + size)
        b[k + size :] -= a[k + size :, rows] @ b[rows]
        if size == 1:
            b[k] /= a[k, k]
        else:
            b[rows] = np.linalg.solve(np.array([[a[k, k], conj(a[k + 1, k])], [a[k + 1, k], a[k + 1, k + 1]]]), b[rows])
        blocks.append((k, size, p, q))
        k += size
    for k, size, p, q in reversed(blocks):
        b[k : k + size] -= conj(a[k + size :, k : k + size]).T @ b[k + size :]
        if p != q:
            b[[p, q]] = b[[q, p]]

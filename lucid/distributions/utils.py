"""What the distributions share: broadcasting of parameters, probabilities and logits, triangles as vectors."""

from __future__ import annotations

import functools
from numbers import Number
from typing import Any

import lucid

from ..core.tensor import Size, Tensor
from ..nn import functional as F

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Tensors of one shape; numbers take the dtype and device of the first tensor (default float if there is none).

    Raises ValueError for what is neither a tensor nor a number.

    >>> import lucid
    >>> [t.shape for t in lucid.distributions.utils.broadcast_all(1.0, lucid.zeros(3))]
    [lucid.Size([3]), lucid.Size([3])]
    """
    if not all(isinstance(v, Tensor | Number) for v in values):
        raise ValueError("Input arguments must all be instances of Number or lucid.Tensor.")
    like: Any = next((v for v in values if isinstance(v, Tensor)), None)
    options = {"dtype": lucid.get_default_dtype()} if like is None else {"dtype": like.dtype, "device": like.device}
    tensors = [v if isinstance(v, Tensor) else lucid.tensor(v, **options) for v in values]
    return tuple(tensors) if len(tensors) == 1 else tuple(lucid.broadcast_tensors(*tensors))


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities from log odds (binary) or from log weights along the last dimension.

    >>> import lucid
    >>> lucid.distributions.utils.logits_to_probs(lucid.zeros(2))
    tensor([0.5000, 0.5000])
    """
    return lucid.sigmoid(logits) if is_binary else F.softmax(logits, dim=-1)


def clamp_probs(probs: Any) -> Any:
    """Probabilities moved into ``[eps, 1 - eps]``, where their logarithms are finite.

    >>> import lucid
    >>> lucid.distributions.utils.clamp_probs(lucid.tensor([0.0, 0.5])).log().isfinite()
    tensor([True, True])
    """
    eps = lucid.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """Log odds (binary) or log probabilities; 0 and 1 are clamped first.

    >>> import lucid
    >>> lucid.distributions.utils.probs_to_logits(lucid.tensor([0.5]), is_binary=True)
    tensor([0.])
    """
    p = clamp_probs(probs)
    return lucid.log(p) - lucid.log1p(-p) if is_binary else lucid.log(p)


class lazy_property(functools.cached_property):
    """A cached attribute whose first computation is differentiated even inside ``no_grad``."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        with lucid.enable_grad():
            return super().__get__(instance, owner)


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Any:
    return lucid.randn(tuple(shape), dtype=dtype, device=device)


def _uniform(shape: Any, like: Any) -> Any:
    """Uniform numbers in [0, 1) of the dtype and on the device of ``like``."""
    return lucid.rand(tuple(shape), dtype=like.dtype, device=like.device)


def _full(distribution: Any, value: float, like: Any) -> Any:
    """A constant moment (infinite, undefined) of the shape of one sample."""
    return lucid.full(distribution._extended_shape(), value, dtype=like.dtype, device=like.device)


def _sum_rightmost(value: Any, dim: int) -> Any:
    return value if dim == 0 else value.reshape((*Size(value.shape[:-dim]), -1)).sum(-1)


def _wide(x: Any) -> Any:
    """``x`` in float64 where the device has it."""
    return x if x.device.type == "mlx" else x.to(lucid.float64)


def _lower(n: int, diag: int, device: Any) -> Any:
    """The flat places, row by row, of the lower triangle of an n x n matrix."""
    rows, columns = lucid.tril_indices(n, n, diag, device=device)
    return rows * n + columns


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The lower triangle of square matrices as vectors, row by row.

    Raises ValueError where the diagonal ``diag`` is outside the matrix.

    >>> import lucid
    >>> lucid.distributions.utils.tril_matrix_to_vec(lucid.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 3., 4.])
    """
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    return mat.reshape((*Size(mat.shape[:-2]), n * n)).index_select(-1, _lower(n, diag, mat.device))


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """Square matrices whose lower triangle, row by row, is the vectors; zero elsewhere.

    Raises ValueError where the length is not that of a triangle.

    >>> import lucid
    >>> lucid.distributions.utils.vec_to_tril_matrix(lucid.tensor([5.0]), -1).tolist()
    [[0.0, 0.0], [5.0, 0.0]]
    """
    m = vec.shape[-1]
    # the positive root of n^2 + (1 + 2 diag) n - |diag| (diag + 1) - 2 m = 0
    root = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * m + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    n = round(root)
    if abs(n - root) > 1e-9:
        raise ValueError(
            f"The size of last dimension is {m} which cannot be expressed as the lower triangular part of a square D x D matrix."
        )
    flat = vec.new_zeros((*Size(vec.shape[:-1]), n * n))
    places = _lower(n, diag, vec.device).expand(vec.shape)
    return flat.scatter(-1, places, vec).reshape((*Size(vec.shape[:-1]), n, n))

"""Systems of equations, inverses and determinants (``lucid.linalg``)."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..core import dtypes
from ..core.errors import DTypeError, LinAlgError, ShapeError
from ..core.precision import current_policy
from ..core.tensor import Tensor, as_tensor, wrap
from ..core.transform import everything, lifted_to_indices
from ..ops import matrices as linalg_ops
from .registry import FUNCTIONS, public, return_type, tensor_arg

__all__ = [
    "LinAlgError", "cholesky_inverse", "cholesky_solve", "det", "inv", "inv_ex", "lstsq", "pinv", "slogdet", "solve", "solve_ex",
    "solve_triangular", "tensorinv", "tensorsolve",
]  # fmt: skip

InvEx = return_type("linalg_inv_ex", "inverse", "info")
SolveEx = return_type("linalg_solve_ex", "result", "info")
SlogDet = return_type("linalg_slogdet", "sign", "logabsdet")
Lstsq = return_type("linalg_lstsq", "solution", "residuals", "rank", "singular_values")


def matrices(A: Any, name: str, *, square: bool = False, position: str = "A") -> Tensor:
    """A stack of matrices of floating or complex dtype; RuntimeError otherwise."""
    x = tensor_arg(A, name, position)
    if x.ndim < 2:
        raise ShapeError(
            f"linalg.{name}: The input tensor {position} must have at least 2 dimensions; got shape {tuple(x.shape)}"
        )
    if x.dtype.category < dtypes.FLOAT:
        raise DTypeError(f"linalg.{name}: Expected a floating point or complex tensor as input. Got {x.dtype}")
    if x.dtype.itemsize == 2:
        if current_policy() is not None:  # inside autocast
            return x.float()  # type: ignore[no-any-return, operator]
        raise DTypeError(f"linalg.{name}: Low precision dtypes not supported. Got {x.dtype}")
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"linalg.{name}: {position} must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} matrices"
        )
    return x


def eye_for(x: Tensor, n: int) -> Tensor:
    from .creation import eye

    return eye(n, dtype=x.dtype, device=x.device)


@public(method=False, function=False)
def inv(A: Tensor) -> Tensor:
    """The inverse of each square matrix; LinAlgError for a singular one.

    >>> import lucid
    >>> lucid.linalg.inv(lucid.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return linalg_ops.inv(matrices(A, "inv", square=True))


def inverse(input: Tensor) -> Tensor:
    """``linalg.inv``."""
    return inv(input)


public()(inverse)


@public(method=False, function=False)
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """The inverse and, per matrix, 0 or the number of the pivot that was zero: ``(inverse, info)``."""
    x = matrices(A, "inv_ex", square=True)
    try:
        found = linalg_ops.inv(x)
    except LinAlgError:
        if check_errors:
            raise
        return InvEx(*linalg_ops.inv_ex(x))
    return InvEx(found, zeros_info(x))


def zeros_info(x: Tensor) -> Tensor:
    return FUNCTIONS["zeros"](tuple(x.shape[:-2]), dtype=dtypes.int32, device=x.device)


def _is_vector(A: Tensor, B: Tensor) -> bool:
    """Whether ``B`` is a batch of vectors: one dimension less, of the batch of ``A`` (PyTorch's rule)."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))


def _same_kind(A: Tensor, B: Tensor, name: str) -> None:
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"linalg.{name}: Expected A and B to have the same dtype, but found A of type {A.dtype} and B of type {B.dtype} instead"
        )


@public(method=False, function=False)
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B (or X A = B): ``B`` a vector, a matrix, or a batch of either. LinAlgError for a singular A.

    >>> import lucid
    >>> lucid.linalg.solve(lucid.tensor([[2.0, 0.0], [0.0, 4.0]]), lucid.tensor([2.0, 4.0]))
    tensor([1., 1.])
    """
    A, B = matrices(A, "solve", square=True), tensor_arg(B, "solve", "B")
    _same_kind(A, B, "solve")
    if _is_vector(A, B):
        if not left:
            raise RuntimeError(
                "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False"
            )
        if B.shape[-1] != A.shape[-1]:
            raise ShapeError(
                f"linalg.solve: Incompatible shapes of A and B for the equation AX = B ({A.shape[-2]}x{A.shape[-1]} and {B.shape[-1]}x1)"
            )
        return linalg_ops.solve(A, B.unsqueeze(-1)).squeeze(-1)
    if B.ndim < 2 or A.shape[-1] != B.shape[-2 if left else -1]:
        raise ShapeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({A.shape[-2]}x{A.shape[-1]} and {'x'.join(map(str, B.shape[-2:]))})"
        )
    if left:
        return linalg_ops.solve(A, B)
    return linalg_ops.solve(A.mT, B.mT).mT


@public(method=False, function=False)
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """``solve`` and 0 per system (or, unchecked, the number of the zero pivot, with NaN for the solution)."""
    try:
        return SolveEx(solve(A, B, left=left), zeros_info(A))
    except LinAlgError:
        if check_errors:
            raise
        inverse_, info = linalg_ops.inv_ex(A)
        if _is_vector(A, B):
            return SolveEx((inverse_ @ B.unsqueeze(-1)).squeeze(-1), info)
        return SolveEx(inverse_ @ B if left else B @ inverse_, info)


@public(method=False, function=False)
def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with A X = B (or X A = B) for triangular A, of which only that triangle is read.

    >>> import lucid
    >>> A = lucid.tensor([[2.0, 1.0], [0.0, 4.0]])
    >>> lucid.linalg.solve_triangular(A, lucid.tensor([[4.0], [8.0]]), upper=True)
    tensor([[1.],
            [2.]])
    """
    A = matrices(A, "solve_triangular", square=True)
    B = matrices(B if B.dtype is A.dtype else B.to(A.dtype), "solve_triangular", position="B")  # type: ignore[attr-defined]
    if A.shape[-1] != B.shape[-2 if left else -1]:
        raise ShapeError(
            f"linalg.solve_triangular: Incompatible shapes of A and B: {tuple(A.shape)} and {tuple(B.shape)}"
        )
    if left:
        return linalg_ops.solve_triangular(A, B, bool(upper), bool(unitriangular))
    return linalg_ops.solve_triangular(A.mT, B.mT, not upper, bool(unitriangular)).mT


@public()
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """``(solution, A)`` of A X = b for triangular A (the older form of ``linalg.solve_triangular``)."""
    x = matrices(A, "triangular_solve", square=True)
    matrix = x.mT if transpose else x
    return TriangularSolve(
        solve_triangular(matrix, b, upper=upper != transpose, unitriangular=unitriangular), x.clone()
    )


TriangularSolve = return_type("triangular_solve", "solution", "cloned_coefficient")


@public()
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A X = B, given the Cholesky factor L of A."""
    L, B = matrices(L, "cholesky_solve", square=True, position="L"), matrices(B, "cholesky_solve", position="B")
    if B.shape[-2] != L.shape[-1]:
        raise ShapeError(f"cholesky_solve: Incompatible matrix sizes: {tuple(B.shape)} and {tuple(L.shape)}")
    first = L.mH if upper else L
    half = solve_triangular(first, B, upper=False)
    return solve_triangular(first.mH, half, upper=True)


@public()
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, given its Cholesky factor L."""
    L = matrices(L, "cholesky_inverse", square=True, position="L")
    identity = ops.broadcast_to(eye_for(L, L.shape[-1]), tuple(L.shape)) if L.ndim > 2 else eye_for(L, L.shape[-1])
    return cholesky_solve(identity, L, upper)


# ---- pseudo-inverse and least squares ----


def tolerances(t: Any) -> Any:
    return t.detach().value if isinstance(t, Tensor) else float(t)


def _tolerances(x: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """(atol, rtol) with the default: no absolute tolerance, and eps times the larger size unless atol is given."""
    if rtol is None:
        given = atol is not None and (isinstance(atol, Tensor) or atol > 0)
        rtol = 0.0 if given else dtypes.finfo(x.dtype).eps * max(x.shape[-2:])
    return 0.0 if atol is None else tolerances(atol), tolerances(rtol)


@public(method=False, function=False)
def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """The pseudo-inverse (Moore and Penrose); singular values below ``max(atol, rtol * largest)`` count as zero.

    >>> import lucid
    >>> lucid.linalg.pinv(lucid.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    x = matrices(A, "pinv", square=hermitian)
    atol, rtol = _tolerances(x, atol, rcond if rtol is None else rtol)
    return linalg_ops.pinv(lifted_to_indices(x, (atol, rtol)), atol, rtol, hermitian)


@public("pinverse", out=False)
def _pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """``linalg.pinv``."""
    return pinv(input, rtol=rcond)


FUNCTIONS.pop("_pinverse")
del Tensor._pinverse  # type: ignore[attr-defined]


@public(method=False, function=False)
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """X of smallest norm that minimises ``||A X - B||``: a named tuple ``(solution, residuals, rank, singular_values)``.

    Raises RuntimeError for an unknown driver. What a driver does not compute is empty, as in PyTorch.
    """
    A, B = matrices(A, "lstsq"), tensor_arg(B, "lstsq", "B")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver!r}"
        )
    _same_kind(A, B, "lstsq")
    vector = B.ndim < 2 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    right = B.unsqueeze(-1) if vector else B
    if right.shape[-2] != A.shape[-2]:
        raise ShapeError(
            f"linalg.lstsq: input.size(-2) should match other.size(-2); got {tuple(A.shape)} and {tuple(B.shape)}"
        )
    driver = driver or "gelsy"
    m, n = A.shape[-2:]
    tolerance = dtypes.finfo(A.dtype).eps * max(m, n) if rcond is None else float(rcond)
    solution = linalg_ops.lstsq_solution(A, right, tolerance)
    empty = as_tensor([], dtype=A.dtype.to_real(), device=A.device)
    s = linalg_ops.svdvals(A.detach())
    rank = (
        ops.sum(s > s.amax(-1, keepdim=True) * tolerance, -1)
        if driver != "gels" and min(m, n)
        else as_tensor([], dtype=dtypes.int64)
    )
    residuals = empty
    if m > n and driver != "gelsy" and (driver == "gels" or bool((everything(rank) == n).all())):
        error = ops.abs(A @ solution - right)
        residuals = ops.sum(error * error, (error.ndim - 2,))
    return Lstsq(
        solution.squeeze(-1) if vector else solution, residuals, rank, s if driver in ("gelsd", "gelss") else empty
    )


@public(method=False, function=False)
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of A as a linear map from its last dimensions to its first ``ind``."""
    if ind <= 0:
        raise RuntimeError("linalg.tensorinv: Expected a strictly positive integer for 'ind'")
    head, tail = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    rows, cols = _product(head), _product(tail)
    if rows != cols:
        raise ShapeError(
            f"linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got {cols} != {rows}"
        )
    return inv(A.reshape(rows, cols)).reshape(*tail, *head)


@public(method=False, function=False)
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) = B``; ``dims`` of A are moved to its end first."""
    if dims is not None:
        A = FUNCTIONS["movedim"](A, tuple(dims), tuple(range(-len(dims), 0)))
    tail = tuple(A.shape[B.ndim :])
    if _product(tail) != _product(tuple(A.shape[: B.ndim])):
        raise ShapeError(
            "linalg.tensorsolve: Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim])"
        )
    return solve(A.reshape(B.shape.numel(), B.shape.numel()), B.reshape(-1)).reshape(tail)


def _product(sizes: tuple[int, ...]) -> int:
    n = 1
    for size in sizes:
        n *= size
    return n


# ---- determinants ----


@public()
def det(A: Tensor) -> Tensor:
    """The determinant; its derivative is right for singular matrices too.

    >>> import lucid
    >>> lucid.linalg.det(lucid.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    return linalg_ops.det(matrices(A, "det", square=True))


@public()
def slogdet(A: Tensor) -> Any:
    """``(sign, logabsdet)`` of the determinant.

    >>> import lucid
    >>> lucid.linalg.slogdet(lucid.eye(2)).logabsdet
    tensor(0.)
    """
    x = matrices(A, "slogdet", square=True)
    return SlogDet(*linalg_ops.slogdet(x, x.dtype))


@public(out=False)
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant: NaN where that is negative, -inf where it is 0."""
    sign, logabs = slogdet(input)
    if sign.dtype.is_complex:
        return ops.log(sign) + logabs
    return ops.where(sign == -1.0, wrap(backend_nan(logabs)), logabs)


def backend_nan(x: Tensor) -> Any:
    from .creation import full_like

    return full_like(x.detach(), float("nan")).value

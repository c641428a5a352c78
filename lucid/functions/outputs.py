"""Writing results where they are wanted: ``out=`` and in-place forms, with PyTorch's rules for what fits where."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from ..backends import backend_of
from ..core import dtypes, modes
from ..core.dtypes import can_cast, uint8
from ..core.errors import DTypeError, ShapeError
from ..core.graph import Leaf
from ..core.op import OPS
from ..core.tensor import Tensor
from ..core.view import View, write

# PyTorch computes these straight into `out`, which must have the dtype of the result; the others are cast into it.
EXACT = frozenset(
    """tril triu all any isin isneginf isposinf signbit argmax argmin bitwise_not bucketize nonzero searchsorted complex polar
    abs amax amin ceil floor clamp clamp_min clamp_max frac histc index_select log_softmax softmax logcumsumexp msort nan_to_num
    neg round sgn sign take trunc addmm addmv baddbmm bmm mm mv matmul dot vdot inner cross diag float_power gather heaviside
    index_add index_copy inverse inv cholesky det eigvalsh matrix_norm multi_dot solve solve_triangular svdvals vecdot
    vector_norm masked_select norm quantile nanquantile renorm scatter scatter_add
    eigh lu_factor lu_solve matrix_power qr slogdet svd triangular_solve chain_matmul
    scatter_reduce take_along_dim tensordot where ifft ihfft sort topk kthvalue mode cummax cummin addbmm aminmax conj_physical
    index_reduce multinomial round_ alias_copy as_strided_copy diagonal_copy expand_copy narrow_copy permute_copy squeeze_copy
    t_copy transpose_copy unfold_copy unsqueeze_copy view_copy slice_scatter empty ones zeros rand randn avg_pool2d avg_pool3d
    gelu hardshrink linear logsigmoid softplus softshrink""".split()
)
IN_ITS_DTYPE = frozenset(
    "sum nansum prod cumsum cumprod full linspace logspace eye arange".split()
)  # these compute in the dtype of `out`
IN_A_ROW = frozenset(
    "arange linspace logspace _range".split()
)  # these fill an `out` of any shape that has room for them all
# PyTorch refuses to write these where they read, also in the same place.
READS_ANYWHERE = frozenset("gather index_select take masked_select take_along_dim".split())
# Without a derivative in PyTorch: `out` may require grad, and stays the leaf that it is.
CONSTANT = frozenset(
    """eq ne lt le gt ge equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor logical_not
    bessel_j0 bessel_j1 bessel_y0 bessel_y1 modified_bessel_k0 modified_bessel_k1 scaled_modified_bessel_k0
    scaled_modified_bessel_k1 spherical_bessel_j0 airy_ai histc""".split()
)
# PyTorch says nothing when these resize `out`.
QUIET = frozenset(
    "addbmm bernoulli empty full linspace logspace multinomial narrow_copy normal ones rand randn zeros".split()
)
# Made of other functions in PyTorch, where `out` then goes on in the graph.
RECORDED = frozenset(
    """softmax log_softmax inner tensordot diag floor_divide quantile nanquantile ifft ihfft matrix_norm matrix_power
    ndtr""".split()
)


def check_leaf(target: Tensor, name: str) -> None:
    """Refuse before computing, so that nothing is half done."""
    if type(target.node) is Leaf and modes.is_grad_enabled():
        raise RuntimeError(f"{name}: a leaf Variable that requires grad is being used in an in-place operation.")


def fitted(target: Tensor, result: Any, name: str) -> Tensor:
    """``result`` with the shape and dtype of ``target``; RuntimeError where that would lose something."""
    if result is NotImplemented:
        raise TypeError(f"{name}: unsupported operand")
    old, new = target.value, result.value
    if old.dtype is new.dtype and old.shape == new.shape:
        return result
    if result.shape != target.shape:
        try:
            result = OPS["broadcast_to"].call(result, tuple(target.shape))
        except RuntimeError:
            raise ShapeError(
                f"{name}: output with shape {list(target.shape)} doesn't match the broadcast shape {list(result.shape)}"
            ) from None
    if name in ("abs_", "absolute_") and target.dtype.is_complex:
        raise RuntimeError("abs_: in-place abs is not supported for complex tensors, whose absolute values are real")
    return _in_dtype(target, result, name)


def _in_dtype(target: Tensor, result: Tensor, name: str) -> Tensor:
    if result.dtype is target.dtype:
        return result
    if not can_cast(result.dtype, target.dtype) and result.dtype.category > target.dtype.category:
        kinds = [dtypes.TORCH_NAMES.get(d.name, d.name) for d in (result.dtype, target.dtype)]
        raise DTypeError(f"{name}: result type {kinds[0]} can't be cast to the desired output type {kinds[1]}")
    return OPS["cast"].call(result, target.dtype, result.dtype)


def refuse_overlap(target: Any, given: Iterable[Any], name: str) -> None:
    """RuntimeError where an input shows part of the memory that is to be written, laid out otherwise: PyTorch's rule.

    As in PyTorch only dense memory is looked at: of strided parts it would take long to tell whether they meet.
    """
    root = target.root if type(target) is View else target
    for x in given:
        if isinstance(x, tuple | list):
            refuse_overlap(target, x, name)
        elif (
            isinstance(x, Tensor) and (x.root if type(x) is View else x) is root and _meets(target.value, x.value, name)
        ):
            raise RuntimeError(
                f"{name}: unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
                "single memory location. Please clone() the tensor before performing the operation."
            )


def refuse_expanded(target: Any, name: str) -> None:
    """RuntimeError for a tensor that shows one place of memory several times: ``fill_`` may write to it, ``copy_`` not."""
    if type(target) is View and 0 in getattr(target.value, "strides", ()) and target.value.size:
        if any(step == 0 and n > 1 for step, n in zip(target.value.strides, target.value.shape, strict=True)):
            raise RuntimeError(
                f"{name}: unsupported operation: more than one element of the written-to tensor refers to a single memory "
                "location. Please clone() the tensor before performing the operation."
            )


def _meets(to: Any, of: Any, name: str) -> bool:
    if name in READS_ANYWHERE and to is of:
        return bool(to.size)
    if to is of or not hasattr(to, "strides") or not (_is_dense(to) and _is_dense(of)):
        return False
    backend = backend_of(to)
    start = backend.table.storage_of
    moved = to.strides != of.strides or to.size != of.size or start(to)[1] != start(of)[1] or name in READS_ANYWHERE
    return moved and backend.overlap(to, of)


def _is_dense(array: Any) -> bool:
    """Whether the elements fill the memory from the first of them to the last."""
    extent = sum((n - 1) * abs(s) for n, s in zip(array.shape, array.strides, strict=True)) + array.itemsize
    return array.flags.c_contiguous or extent == array.nbytes


def write_out(target: Any, compute: Callable, name: str, accepted: Any = (), dtype: Any = None) -> Any:
    """``out=``: write the result into the tensors given, whose shape follows the result; all is checked before anything is written.

    ``accepted`` holds the names of the arguments that ``compute`` takes: with ``dtype`` among them a sum is computed in the
    dtype of ``out``. ``dtype`` is the one asked for by name, which must be that of ``out``.
    """
    targets = target if isinstance(target, tuple | list) else (target,)
    for t in targets:
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(t).__name__}")
    if dtype is not None and target is targets[0] and dtypes.as_dtype(dtype) is not target.dtype:
        raise DTypeError(f"{name}(): dtype {dtype} does not match dtype of out parameter ({target.dtype})")
    own = {"dtype": target.dtype} if name in IN_ITS_DTYPE and "dtype" in accepted and target is targets[0] else {}
    results = compute(**own)
    several = isinstance(results, tuple | list)
    if several != (target is not targets[0] if targets else True) or (several and len(results) != len(targets)):
        wanted = f"tuple of {len(results)} Tensors" if several else "Tensor"
        came = f"{type(target).__name__} of {len(targets)}" if isinstance(target, tuple | list) else "Tensor"
        raise TypeError(f"{name}(): argument 'out' must be {wanted}, not {came}")
    if not several and name in ("median", "nanmedian"):
        raise TypeError(f'{name}() missing 1 required positional argument beside out=: "dim"')
    results = results if several else (results,)
    exact = name in EXACT or (several and name in ("max", "min"))
    constant = name in CONSTANT or "_polynomial_" in name
    checked = targets if name in RECORDED else () if constant else (*results, *targets)
    if modes.is_grad_enabled() and any(r.requires_grad for r in checked):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    fitting = [
        _for_out(t, r if name in RECORDED else r.detach(), name, exact) for t, r in zip(targets, results, strict=True)
    ]
    for t, r in zip(targets, fitting, strict=True):
        if t.shape != r.shape and type(t) is View:
            with modes.no_grad():
                write(t.resize_(tuple(r.shape)), r, name)
        elif t.shape != r.shape:  # as PyTorch, an `out` of another shape is resized
            t.value, t._version = r.value, t._version + 1
            t.node = r.node if name in RECORDED else t.node
        elif constant:
            with modes.no_grad():
                write(t, r, name)
        else:
            write(t, r, name)
    return type(results)._make(targets) if several and hasattr(results, "_make") else target


def _for_out(target: Tensor, result: Tensor, name: str, exact: bool) -> Tensor:
    """The result in the dtype of ``out``, which may have another shape only if it is a tensor of its own."""
    if name in IN_A_ROW and target.shape.numel() == result.shape.numel():
        result = OPS["reshape"].call(result, tuple(target.shape))
    if target.device != result.device:
        raise RuntimeError(f"{name}(): expected out tensor to be on device {result.device}, but got {target.device}")
    truth = name in ("all", "any") and target.dtype is uint8
    if exact and result.dtype is not target.dtype and not truth:
        raise DTypeError(f"{name}(): Expected out tensor to have dtype {result.dtype}, but got {target.dtype} instead")
    if target.shape != result.shape:
        if target.shape.numel() and name not in QUIET:
            warnings.warn(
                f"{name}(): An output with one or more elements was resized since it had shape {list(target.shape)}, which does "
                f"not match the required output shape {list(result.shape)}. This behavior is deprecated: resize_(0) it first.",
                UserWarning,
                stacklevel=4,
            )
    return _in_dtype(target, result, name)

"""What the arguments of the functions here may be: kinds read from the annotations, and the dtypes of the first tensor.

One wrapper goes around every function of the package (the few that are one op check themselves), so that a wrong call
gets PyTorch's type of error, with the names of the function and the argument, before any work is done.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ...core.dtypes import BOOL, COMPLEX, FLOAT, INTEGER, TORCH_NAMES, float32, int64
from ...core.errors import DTypeError
from ...core.overrides import foreign
from ...core.precision import current_policy, in_single
from ...core.record import FLOATS
from ...core.tensor import Tensor
from ...functions.checking import KINDS, right
from ...functions.outputs import refuse_overlap, write_out
from ...functions.registry import unbound

# Defined for floating dtypes alone: PyTorch has no kernel for others.
FLOATING = frozenset(
    """binary_cross_entropy_with_logits adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
    batch_norm binary_cross_entropy celu celu_ cross_entropy ctc_loss elu elu_ gelu glu
    grid_sample group_norm hardshrink hardsigmoid hardswish huber_loss instance_norm kl_div layer_norm leaky_relu leaky_relu_
    logsigmoid max_unpool1d max_unpool2d max_unpool3d mish
    multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss nll_loss pdist prelu rrelu rrelu_
    scaled_dot_product_attention selu selu_ softplus softshrink""".split()
)
FLOATING_OR_COMPLEX = frozenset("rms_norm silu soft_margin_loss".split())
# In PyTorch these are functions of C++, which take `out`.
TAKES_OUT = frozenset("avg_pool2d avg_pool3d gelu hardshrink logsigmoid softplus softshrink".split())
FLOATING_OR_LONG = frozenset("avg_pool1d avg_pool2d avg_pool3d local_response_norm".split())
NOT_WHOLE = frozenset(("unfold",))
NOT_TRUTH = frozenset(("softsign",))
REAL = frozenset("relu6 relu6_ hardtanh hardtanh_ threshold threshold_".split())  # and not bool
# Float32 inside autocast.
SINGLE = frozenset("avg_pool3d max_pool3d adaptive_avg_pool3d max_unpool2d max_unpool3d grid_sample".split())
NOT_WRAPPED = frozenset("relu linear sigmoid tanh".split())  # one op, which checks its inputs
# Read by Python in PyTorch, too: anything is true or false.
FLAGS = frozenset(
    """inplace size_average reduce swap full return_indices add_zero_attn need_weights is_causal average_attn_weights
    use_separate_proj_weight""".split()
)


# Tensors that must have the dtype of the first one; the parameters of a norm may be of float32 beside 16 bits.
PARAMETERS = ("running_mean", "running_var", "weight", "bias")
EQUAL = {
    "batch_norm": PARAMETERS, "instance_norm": PARAMETERS[2:], "group_norm": PARAMETERS, "layer_norm": PARAMETERS,
    "rms_norm": PARAMETERS, "bilinear": ("input2", "weight", "bias"), "grid_sample": ("grid",), "prelu": ("weight",),
    "nll_loss": ("weight",),
}  # fmt: skip


def _allowed(name: str) -> Callable[[Any], bool] | None:
    """Which dtypes the first tensor may have; None where all will do."""
    if name in FLOATING:
        return lambda d: d.category == FLOAT
    if name in FLOATING_OR_COMPLEX:
        return lambda d: d.category >= FLOAT
    if name in FLOATING_OR_LONG:
        return lambda d: d.category == FLOAT or d is int64
    if name in NOT_WHOLE:
        return lambda d: d.category != INTEGER
    if name in NOT_TRUTH:
        return lambda d: d.category != BOOL
    if name in REAL:
        return lambda d: d.category not in (BOOL, COMPLEX)
    return None


def checked(f: Callable) -> Callable:
    """``f`` behind the checks of its arguments."""
    name, plain = f.__name__, inspect.unwrap(f)
    code = plain.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    kinds = {n: KINDS[a] for n, a in plain.__annotations__.items() if a in KINDS and n in names}
    if name == "multi_head_attention_forward":  # made of others, which check
        kinds = {n: k for n, k in kinds.items() if k.word == "Tensor"}
    if name in ("poisson_nll_loss", "scaled_dot_product_attention"):  # these reach C++
        kinds = {n: k for n, k in kinds.items() if n not in ("size_average", "reduce")}
    else:
        kinds = {n: k for n, k in kinds.items() if n not in FLAGS}
    # A name that is not known (a reduction, a mode) is the function's own error, whatever its type.
    kinds = {n: k for n, k in kinds.items() if k.word != "str" or n == "approximate"}
    checks = tuple((i, kinds[n].exact) for i, n in enumerate(names[: code.co_argcount]) if n in kinds)
    by_name = {n: kind.exact for n, kind in kinds.items()}
    if name in TAKES_OUT:
        by_name["out"] = set()
    allowed = _allowed(name)
    equal = tuple((names.index(n), n) for n in EQUAL.get(name, ()) if n in names)

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = len(args)
        for i, exact in checks:
            if i >= given:
                break
            if type(args[i]) not in exact:
                return mend(args, kwargs)
        for n in kwargs:
            if n in by_name and type(kwargs[n]) not in by_name[n]:
                return mend(args, kwargs)
        if allowed is not None and given and args[0].value.dtype not in FLOATS and not allowed(args[0].dtype):
            refuse(args[0])
        if equal and given:
            dtype = args[0].value.dtype
            for i, n in equal:
                t = args[i] if i < given else kwargs.get(n)
                if t is not None and t.value.dtype is not dtype and t.dtype is not args[0].dtype:
                    return unequal(args, kwargs)
        return f(*args, **kwargs)

    def mend(args: tuple, kwargs: dict) -> Any:
        """The call with each argument made right; TypeError for one that cannot be, unless its class knows what to do."""
        if name in TAKES_OUT and "out" in kwargs:
            target = kwargs.pop("out")
            refuse_overlap(target, (*args, *kwargs.values()), name)
            return call(*args, **kwargs) if target is None else write_out(target, lambda: call(*args, **kwargs), name)
        if unbound(call, args):
            return call(*args[1:], **kwargs)
        mended = list(args)
        for i, n in (*enumerate(names[: len(args)]), *((n, n) for n in kwargs)):
            place: Any = mended if type(i) is int else kwargs
            kind = kinds.get(n)
            if kind is not None and type(place[i]) not in kind.exact:
                if not isinstance(place[i], Tensor) and hasattr(type(place[i]), "__torch_function__"):
                    answer = foreign(call, name, args, kwargs)
                    if answer is not None:
                        return answer[0]
                place[i] = right(place[i], kind, name, n)
        if allowed is not None and mended and isinstance(mended[0], Tensor) and not allowed(mended[0].dtype):
            refuse(mended[0])
        return f(*mended, **kwargs)

    def unequal(args: tuple, kwargs: dict) -> Any:
        x = args[0]
        others = {n: args[i] if i < len(args) else kwargs.get(n) for i, n in equal}
        norm = PARAMETERS[2] in others and others.keys() <= set(PARAMETERS) and name.endswith("norm")
        united = current_policy() is not None and x.dtype.itemsize < 8 and not (norm and x.device.type == "cpu")
        if united:  # by autocast
            return f(*args, **kwargs)
        if norm and x.dtype.itemsize == 2:
            if all(t is None or t.dtype is float32 for t in others.values()):
                return f(*args, **kwargs).to(x.dtype)
        if name == "rms_norm" and others["weight"].dtype.category == FLOAT:  # type: ignore[union-attr]
            return f(*args, **kwargs).to(x.dtype)
        n, t = next((n, t) for n, t in others.items() if t is not None and t.dtype is not x.dtype)
        kinds = [TORCH_NAMES.get(d.name, d.name) for d in (x.dtype, t.dtype)]
        raise DTypeError(
            f"{name}: mixed dtype: expected scalar type {kinds[0]} but found {kinds[1]}: argument '{names[0]}' is {x.dtype}, '{n}' is {t.dtype}"
        )

    def refuse(x: Tensor) -> None:
        kind = TORCH_NAMES.get(x.dtype.name, x.dtype.name)
        raise NotImplementedError(
            f"{name}: \"{name}\" not implemented for '{kind}': argument '{names[0]}' of shape {tuple(x.shape)} is {x.dtype}"
        )

    return call


def check_all(functions: dict[str, Any], package: str) -> None:
    """Put the checks around all public functions of a package, in place."""
    for name, f in list(functions.items()):
        if inspect.isfunction(f) and f.__module__.startswith(package) and name[0] != "_" and name not in NOT_WRAPPED:
            functions[name] = checked(in_single(f) if name in SINGLE else f)
            functions[name].__module__ = package  # where pickle finds it

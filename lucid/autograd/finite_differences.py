"""``gradcheck`` and ``gradgradcheck``: derivatives against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..backends import backend_of
from ..core import modes
from ..core.tensor import Tensor, wrap
from .gradients import grad


class GradcheckError(RuntimeError):
    """A derivative that differs from the finite difference."""


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of ``func`` at ``inputs`` with central differences of step ``eps``.

    Every differentiable input is to be float64 (or complex128). ``check_forward_ad`` compares jvps too,
    ``check_batched_grad`` vmap over vjps. Returns True, or raises GradcheckError (a RuntimeError) that shows both
    Jacobians; with ``raise_exception=False`` returns False instead. ``fast_mode`` compares along one random direction of
    each input instead of element by element; ``check_grad_dtypes`` wants gradients in the dtype of their inputs.

    >>> import lucid
    >>> x = lucid.tensor([0.5, 1.5], dtype=lucid.float64, requires_grad=True)
    >>> lucid.autograd.gradcheck(lucid.sin, (x,))
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    try:
        _check(
            func,
            inputs,
            eps,
            atol,
            rtol,
            nondet_tol,
            check_undefined_grad,
            check_backward_ad,
            check_forward_ad,
            check_batched_grad,
            check_batched_forward_grad,
            check_grad_dtypes,
            fast_mode,
        )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(
    func: Callable, inputs: Any, eps: float, atol: float, rtol: float, nondet_tol: float,
    undefined: bool, backward: bool, forward: bool, batched: bool, batched_forward: bool, dtypes_too: bool, fast: bool,
) -> None:  # fmt: skip
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    at = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
    if not at:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True."
        )
    for i in at:
        if args[i].dtype.name not in ("float64", "complex128"):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will likely fail if "
                "all the inputs are not of double precision floating point or complex.",
                stacklevel=3,
            )
    with modes.enable_grad():
        outs = _outputs(func(*args))
    if dtypes_too:
        _check_dtypes(outs, args, at)
    if fast:
        _check_along_directions(func, args, at, outs, eps, atol, rtol, nondet_tol, backward, forward)
        if undefined and backward:
            _undefined(func, args, at)
        return
    numeric = _numeric(func, args, at, outs, eps)
    if backward:
        first = _by_vjps(outs, args, at, batched)
        _compare(_mismatch(outs), numeric, first, atol, rtol)
        again = _by_vjps(_outputs(func(*args)), args, at, False)
        _compare(REENTRANT, first, again, nondet_tol, 0.0)
        if undefined:
            _undefined(func, args, at)
    if forward:
        forwards = _by_jvps(func, args, at, outs)
        _compare("Jacobian computed with forward mode mismatch", numeric, forwards, atol, rtol)
        if batched_forward:
            batch = _by_jvps(func, args, at, outs, batched=True)
            _compare("Batched forward mode differs from one by one", forwards, batch, 1e-6, 1e-6)


REENTRANT = "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different values"


def _mismatch(outs: list[Tensor]) -> str:
    if any(o.requires_grad for o in outs):
        return "Jacobian mismatch"
    return "Numerical gradient for function expected to be zero: mismatch"


def _check_dtypes(outs: list[Tensor], args: tuple, at: list[int]) -> None:
    for out in outs:
        if out.requires_grad:
            for i, g in zip(
                at, grad(out, [args[i] for i in at], ops.ones_like(out), True, allow_unused=True), strict=True
            ):
                if g is not None and g.dtype is not args[i].dtype:
                    raise GradcheckError(f"the gradient of input {i} has dtype {g.dtype}, the input {args[i].dtype}")


def _check_along_directions(
    func: Callable, args: tuple, at: list[int], outs: list[Tensor], eps: float, atol: float, rtol: float, nondet_tol: float,
    backward: bool, forward: bool
) -> None:  # fmt: skip
    """``<w, J d>`` by differences, by a vjp and by a jvp, for random w and one random unit direction d per input."""
    from ..func import jvp
    from ..functions.random import FUNCTIONS, Generator

    generator = Generator().manual_seed(0)

    def draw(x: Tensor) -> Tensor:
        v = FUNCTIONS["randn"](tuple(x.shape), dtype=x.dtype, generator=generator).to(x.device)
        return v / FUNCTIONS["norm"](v) if v.shape.numel() else v

    weights = [draw(o) for o in outs]

    def against_weights(found: Sequence[Tensor]) -> float:
        return sum(_inner(w, o) for w, o in zip(weights, found, strict=True))

    def g_of(outs: list[Tensor], i: int) -> Any:
        live = [(o, w) for o, w in zip(outs, weights, strict=True) if o.requires_grad]
        if not live:
            return None
        return grad([o for o, _ in live], [args[i]], [w for _, w in live], True, allow_unused=True)[0]

    for i in at:
        d = draw(args[i])
        high, low = (against_weights(_at(func, args, i, d * step, outs)) for step in (eps, -eps))
        numeric = (high - low) / (2 * eps)
        results = {}
        if backward:
            g = g_of(outs, i)
            results[_mismatch(outs)] = 0.0 if g is None else _inner(g, d)
            if g is not None and not _near(_flat(g), _flat(g_of(_outputs(func(*args)), i)), nondet_tol, 0.0):
                raise GradcheckError(REENTRANT)
        if forward:
            plain = [wrap(a.value) if isinstance(a, Tensor) else a for a in args]

            def one(v: Tensor, i: int = i, plain: list = plain) -> tuple:
                return tuple(_outputs(func(*plain[:i], v, *plain[i + 1 :])))

            results["Jacobian computed with forward mode mismatch"] = against_weights(jvp(one, (plain[i],), (d,))[1])
        for what, value in results.items():
            if not abs(value - numeric) <= atol + rtol * abs(numeric):
                raise GradcheckError(
                    f"{what} for output 0 with respect to input {i},\nnumerical:{numeric:.6g}\nanalytical:{value:.6g}\n"
                    "along a random direction; fast_mode=False shows which elements differ"
                )


def _inner(a: Tensor, b: Tensor) -> float:
    """The real part of ``<a, b>``."""
    return sum((complex(p).conjugate() * complex(q)).real for p, q in zip(_flat(a), _flat(b), strict=True))


def _outputs(result: Any) -> list[Tensor]:
    found = result if isinstance(result, tuple | list) else (result,)
    outs = [o for o in found if isinstance(o, Tensor) and o.dtype.category >= 2]
    if not outs:
        raise ValueError("gradcheck expects at least one differentiable output")
    return outs


Jacobian = dict[tuple[int, int], list[list[complex]]]  # (input, output) -> rows per element of the input


def _flat(t: Tensor) -> list:
    host = backend_of(t.value).to_host(t.value)
    return list(host.reshape(-1).tolist())


def _at(func: Callable, args: tuple, i: int, step: Tensor, outs: list[Tensor]) -> list[Tensor]:
    """The outputs of ``func`` with input ``i`` moved by ``step``: the very tensor holds other numbers meanwhile, for ``func`` may know it otherwise too."""
    x = args[i]
    kept = x.value
    x.value = (wrap(kept) + step).value
    try:
        with modes.enable_grad():
            found = [wrap(o.value) for o in _outputs(func(*args))]
    finally:
        x.value = kept
    for o, other in zip(outs, found, strict=False):
        for what in ("shape", "dtype"):
            if getattr(o, what) != getattr(other, what):
                raise AssertionError(
                    f"Expected `func` to return outputs with the same {what} when inputs are perturbed on index {i}, but got: "
                    f"{getattr(o, what)} and {getattr(other, what)}."
                )
    return found


def _unit(x: Tensor, k: int, step: complex) -> Tensor:
    """Zero but for element ``k``, in the shape of ``x``."""
    hit = ops.cast(ops.getitem(ops.eye_like(wrap(x.value), x.shape.numel()), (k,)), x.dtype)
    return ops.reshape(hit * step, tuple(x.shape))


def _numeric(func: Callable, args: tuple, at: list[int], outs: list[Tensor], eps: float) -> Jacobian:
    """Central differences; for complex inputs dL/d(re) + i dL/d(im), PyTorch's convention for the gradient of each output part."""
    found: Jacobian = {}
    for i in at:
        for k in range(args[i].shape.numel()):
            steps = (eps, 1j * eps) if args[i].dtype.is_complex else (eps,)
            for s in steps:
                high, low = ([_flat(o) for o in _at(func, args, i, _unit(args[i], k, t), outs)] for t in (s, -s))
                for o, (a, b) in enumerate(zip(high, low, strict=True)):
                    found.setdefault((i, o), []).append([(p - q) / (2 * eps) for p, q in zip(a, b, strict=True)])
    return found


def _by_vjps(outs: list[Tensor], args: tuple, at: list[int], batched: bool) -> Jacobian:
    """The same derivatives from backward: real and imaginary parts of inputs and outputs one by one."""
    found: Jacobian = {}
    for o, out in enumerate(outs):
        n = out.shape.numel()
        for i in at:
            rows = args[i].shape.numel() * (2 if args[i].dtype.is_complex else 1)
            found[i, o] = [[0.0] * n for _ in range(rows)]
        if not out.requires_grad:
            continue
        eye = ops.reshape(ops.cast(ops.eye_like(out, n), out.dtype), (n, *out.shape))
        for part in (1, 1j) if out.dtype.is_complex else (1,):
            together: Any = None
            if batched:
                together = grad(
                    out, [args[i] for i in at], eye * part, retain_graph=True, allow_unused=True, is_grads_batched=True
                )
            for k in range(n):
                unit = ops.getitem(eye, (k,)) * part
                gs = grad(out, [args[i] for i in at], unit, retain_graph=True, allow_unused=True)
                for position, (i, g) in enumerate(zip(at, gs, strict=True)):
                    if g is None:
                        continue
                    values = _flat(g)
                    if together is not None and not _near(_flat(together[position][k]), values, 1e-6, 1e-6):
                        raise GradcheckError(
                            f"While computing batched gradients, got: {together[position][k]} instead of {g}"
                        )
                    _fill(found[i, o], k, values, args[i].dtype.is_complex, part)
    return found


def _fill(rows: list, k: int, values: list, is_complex: bool, part: complex) -> None:
    """``d Re(conj(part) out_k) / d(re, im)`` of each element, put into column k."""
    for e, v in enumerate(values):
        if is_complex:
            rows[2 * e][k] += complex(v).real * part
            rows[2 * e + 1][k] += complex(v).imag * part
        else:
            rows[e][k] += complex(v).real * part


def _by_jvps(func: Callable, args: tuple, at: list[int], outs: list[Tensor], batched: bool = False) -> Jacobian:
    from ..func import jvp, vmap

    found: Jacobian = {}
    for i in at:
        x = wrap(args[i].value)
        n = x.shape.numel()
        eye = ops.reshape(ops.cast(ops.eye_like(x, n), x.dtype), (n, *x.shape))

        def one(v: Tensor, i: int = i) -> Any:
            plain = [wrap(a.value) if isinstance(a, Tensor) else a for a in args]
            plain[i] = v
            return tuple(_outputs(func(*plain)))

        parts = (1, 1j) if x.dtype.is_complex else (1,)
        rows = (
            [vmap(lambda t, p=p, x=x, f=one: jvp(f, (x,), (t * p,))[1])(eye) for p in parts] if batched and n else None
        )
        for k in range(n):
            for p, part in enumerate(parts):
                if rows is not None:
                    tangents = tuple(t[k] for t in rows[p])
                else:
                    _, tangents = jvp(one, (x,), (ops.getitem(eye, (k,)) * part,))
                for o, t in enumerate(tangents):
                    found.setdefault((i, o), []).append(_flat(t))
    return found


def _near(a: list, b: list, atol: float, rtol: float) -> bool:
    return all(p == q or abs(p - q) <= atol + rtol * abs(p) for p, q in zip(a, b, strict=True))


def _compare(what: str, expected: Jacobian, got: Jacobian, atol: float, rtol: float) -> None:
    for (i, o), rows in expected.items():
        other = got[i, o]
        if not all(_near(r, s, atol, rtol) for r, s in zip(rows, other, strict=True)):
            raise GradcheckError(
                f"{what} for output {o} with respect to input {i},\nnumerical:{_shown(rows)}\nanalytical:{_shown(other)}\n"
                "(a row per element of the input; for complex inputs a row each for real and imaginary part)"
            )


def _shown(rows: list) -> str:
    return "[" + ",\n ".join("[" + ", ".join(f"{v:.6g}" for v in r) + "]" for r in rows) + "]"


def _undefined(func: Callable, args: tuple, at: list[int]) -> None:
    """Backward must do with a missing gradient of any one output."""
    outs = _outputs(func(*args))
    if len(outs) < 2:
        return
    for o in outs:
        if o.requires_grad:
            try:
                grad(o, [args[i] for i in at], ops.zeros_like(o), retain_graph=True, allow_unused=True)
            except (TypeError, AttributeError) as problem:
                raise GradcheckError(
                    f"Expected backward function to handle undefined output grads. ({problem})"
                ) from problem


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """``gradcheck`` of the gradients of ``func``: second derivatives, with random ``grad_outputs`` unless given.

    >>> import lucid
    >>> x = lucid.tensor([0.5, 1.5], dtype=lucid.float64, requires_grad=True)
    >>> lucid.autograd.gradgradcheck(lucid.sin, (x,))
    True
    """

    def differentiable(result: Any) -> list[Tensor]:
        return [o for o in _outputs(result) if o.requires_grad]

    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        from ..functions.random import FUNCTIONS, Generator

        outs = differentiable(func(*args))
        draw = Generator().manual_seed(0)
        vectors = [
            FUNCTIONS["rand"](tuple(o.shape), dtype=o.dtype.to_real(), generator=draw).to(o.device) + 0.5 for o in outs
        ]
        vectors = [v.to(o.dtype) for v, o in zip(vectors, outs, strict=True)]
        if gen_non_contig_grad_outputs:
            vectors = [ops.getitem(ops.concat(v, v, 0), (slice(None, None, 2),)) if v.ndim else v for v in vectors]
        vectors = [v.requires_grad_() for v in vectors]
    else:
        vectors = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    count = len(args)

    def gradients(*values: Any) -> tuple:
        xs, vs = values[:count], values[count:]
        xs = tuple(
            x.requires_grad_() if isinstance(x, Tensor) and args[i].requires_grad and not x.requires_grad else x
            for i, x in enumerate(xs)
        )
        with modes.enable_grad():
            outs = differentiable(func(*xs))
            wanted = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
            found = grad(outs, wanted, vs, create_graph=True, allow_unused=True)
        return tuple(ops.zeros_like(x) if g is None else g for g, x in zip(found, wanted, strict=True))

    return gradcheck(
        gradients, (*args, *vectors), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_undefined_grad=False, check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad,
        check_backward_ad=check_rev_over_rev, check_forward_ad=check_fwd_over_rev, fast_mode=fast_mode,
    )  # fmt: skip

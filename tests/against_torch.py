"""One program, run by lucid and by torch: values, dtypes, shapes, gradients and second derivatives must agree."""

import warnings

import numpy as np

import lucid
from lucid import autograd
from reference import torch

RNG = np.random.default_rng(0)


def draw(*shape, complex=False, dtype=np.float64):
    """A seeded array; complex where asked for."""
    rng = np.random.default_rng(abs(hash(shape)) % 2**32 if shape else 7)
    x = np.asarray(rng.normal(size=shape))
    return np.asarray(x + 1j * rng.normal(size=shape)) if complex else x.astype(dtype)


def as_list(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def host(x):
    """As NumPy, from either library."""
    x = x.detach() if hasattr(x, "detach") else x
    return (
        (x.resolve_conj().resolve_neg() if isinstance(x, torch.Tensor) else x).numpy()
        if hasattr(x, "numpy")
        else np.asarray(x)
    )


def same(ours, theirs, rtol=1e-6, atol=1e-7, what="value"):
    if not hasattr(theirs, "shape"):
        assert ours == theirs, what
        return
    assert tuple(ours.shape) == tuple(theirs.shape), (what, tuple(ours.shape), tuple(theirs.shape))
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1], (what, ours.dtype, theirs.dtype)
    scale = (
        max(1.0, float(np.abs(host(theirs)).max()))
        if theirs.numel() and host(theirs).dtype.kind in "fc" and np.isfinite(host(theirs)).all()
        else 1.0
    )
    np.testing.assert_allclose(host(ours) / scale, host(theirs) / scale, rtol=rtol, atol=atol, err_msg=what)


def check(program, *arrays, second=True, gradient=True, rtol=1e-6, atol=1e-7):
    """``program(library, *tensors)`` gives the same in both, with the same derivatives."""

    def inputs(library):
        made = []
        for a in arrays:
            if not isinstance(a, np.ndarray):
                made.append(a)
                continue
            t = library.tensor(a)
            made.append(t.requires_grad_() if a.dtype.kind in "fc" and gradient else t)
        return made

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xs, ys = inputs(lucid), inputs(torch)
        ours, theirs = as_list(program(lucid, *xs)), as_list(program(torch, *ys))
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, rtol, atol)
            if hasattr(b, "requires_grad"):
                assert a.requires_grad == b.requires_grad, (a.requires_grad, b.requires_grad)
        weights = [
            draw(*b.shape, complex=b.is_complex()) if hasattr(b, "requires_grad") and b.requires_grad else None
            for b in theirs
        ]
        _check_gradients(ours, theirs, xs, ys, weights, second, rtol, atol)


def _loss(library, results, weights):
    total = None
    for result, w in zip(results, weights, strict=True):
        if w is None:
            continue
        product = result * library.tensor(w).to(result.dtype)
        product = product.real if result.is_complex() else product
        part = (product * product + product).sum()
        total = part if total is None else total + part
    return total


def _gradients(library, loss, tensors, again):
    leaves = [t for t in tensors if isinstance(t, library.Tensor) and t.requires_grad]
    grad = autograd.grad if library is lucid else torch.autograd.grad
    return grad(loss, leaves, create_graph=again, allow_unused=True)


def _check_gradients(ours, theirs, xs, ys, weights, second, rtol, atol):
    a, b = _loss(lucid, ours, weights), _loss(torch, theirs, weights)
    if b is None:
        return
    ga, gb = _gradients(lucid, a, xs, second), _gradients(torch, b, ys, second)
    for p, q in zip(ga, gb, strict=True):
        _same_or_none(p, q, rtol, atol, "gradient")
    if not second:
        return
    again = [None if q is None or not q.requires_grad else np.ones(1) for q in gb]
    a = _square([p for p, w in zip(ga, again, strict=True) if w is not None])
    b = _square([q for q, w in zip(gb, again, strict=True) if w is not None])
    if b is None:
        return
    for p, q in zip(_gradients(lucid, a, xs, False), _gradients(torch, b, ys, False), strict=True):
        _same_or_none(p, q, 10 * rtol, 10 * atol, "second derivative")


def _square(gradients):
    total = None
    for g in gradients:
        part = ((g * g).real if g.is_complex() else g * g).sum()
        total = part if total is None else total + part
    return total


def _same_or_none(p, q, rtol, atol, what):
    """No gradient and a gradient of zeros mean the same."""
    if p is None or q is None:
        for other in (p, q):
            assert other is None or not np.any(host(other)), what
        return
    same(p, q, rtol, atol, what)

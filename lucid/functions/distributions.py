"""Random numbers of many distributions: new tensors, and tensors filled in place."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..core import dtypes
from ..core.tensor import Tensor, wrap
from ..core.transform import everything
from ..core.view import write
from ..ops import order
from . import sorting
from .attributes import constant_in
from .checking import number
from .outputs import check_leaf, write_out
from .random import EXACT, check_bounds, draw, draw_dtype
from .registry import FUNCTIONS, public, sizes_arg, tensor_arg


def _sample(kernel: str, like: Tensor, generator: Any, *args: Any) -> Tensor:
    return wrap(draw(kernel, tuple(like.shape), draw_dtype(like), like.device, generator, *args))


@public(method=False, out=True)
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers of given mean and standard deviation, each a number or a tensor; with two numbers of shape ``size``.

    Raises RuntimeError for a negative standard deviation.

    >>> import lucid
    >>> lucid.normal(lucid.zeros(3), 1.0).shape
    lucid.Size([3])
    """
    mean, std = (number(v) if size is not None or not isinstance(v, Tensor) else v for v in (mean, std))
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal(): size is needed where mean and std are numbers")
        if std < 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
        t = FUNCTIONS["randn"](size, generator=generator, dtype=dtype, device=device) * std + mean
        return t.requires_grad_() if requires_grad else t
    if isinstance(std, Tensor):
        if std.is_complex():  # type: ignore[attr-defined]
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if std.shape.numel() and bool((everything(std) < 0).any()):
            raise RuntimeError("normal expects all elements of std >= 0.0")
    elif std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    parts = [p.detach() for p in (mean, std) if isinstance(p, Tensor)]
    if parts[0].dtype.category <= dtypes.INTEGER:
        raise NotImplementedError(f"normal: not implemented for {parts[0].dtype}")
    shape = FUNCTIONS["broadcast_tensors"](*parts)[0]
    z = _sample("normal", shape, generator).to(parts[0].dtype)
    drawn = z * (std.detach() if isinstance(std, Tensor) else std) + (
        mean.detach() if isinstance(mean, Tensor) else mean
    )
    return constant_in(constant_in(drawn.to(parts[0].dtype), mean), std)


@public()
def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None, out: Any = None) -> Tensor:
    """1 with probability ``input`` (or ``p``), else 0; no gradient flows to the probability. ``out`` may have any dtype.

    Raises RuntimeError for a probability outside [0, 1].

    >>> import lucid
    >>> lucid.bernoulli(lucid.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    x = tensor_arg(input, "bernoulli")
    chance = x.detach() if p is None else p.detach() if isinstance(p, Tensor) else p
    if isinstance(chance, Tensor):
        if p is None and not x.dtype.is_floating_point:
            raise NotImplementedError(f"bernoulli: expected floating probabilities; got {x.dtype}")
        given = everything(chance)
        if given.shape.numel() and not bool(((given >= 0) & (given <= 1)).all()):
            raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    elif not 0 <= chance <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={chance}")
    drawn = ops.less(_sample("uniform", x, generator), chance)
    return (
        constant_in(drawn.to(x.dtype), x) if out is None else write_out(out, lambda: drawn.to(out.dtype), "bernoulli")
    )


@public(out=False)
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Poisson numbers whose rates are ``input``.

    Raises RuntimeError for a negative rate.

    >>> import lucid
    >>> lucid.poisson(lucid.zeros(2))
    tensor([0., 0.])
    """
    source = tensor_arg(input, "poisson")
    x = source.detach()
    if x.shape.numel() and bool((everything(x) < 0).any()):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return constant_in(wrap(draw("poisson", tuple(x.shape), x.dtype, x.device, generator, x.value)), source)


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Binomial numbers of ``count`` trials with probability ``prob``.

    >>> import lucid
    >>> lucid.binomial(lucid.tensor([5.0]), lucid.tensor([1.0]))
    tensor([5.])
    """
    count, prob = FUNCTIONS["broadcast_tensors"](count.detach(), prob.detach())
    return wrap(draw("binomial", tuple(count.shape), prob.dtype, prob.device, generator, count.value, prob.value))


FUNCTIONS["binomial"] = binomial


@public()
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Indices drawn from rows of weights, with or without replacement.

    Raises RuntimeError for negative or non-finite weights, rows of zeros, and more samples than there are weights.

    >>> import lucid
    >>> lucid.multinomial(lucid.tensor([0.0, 1.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    x = tensor_arg(input, "multinomial").detach()
    if x.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {x.dtype}")
    n = x.shape[-1]
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > n:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    given = everything(x)
    if not bool((ops.isfinite(given) & (given >= 0)).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not bool((given.sum(-1) > 0).all()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if replacement:
        u = wrap(draw("uniform", (*x.shape[:-1], int(num_samples)), dtypes.float64, x.device, generator))
        return order.multinomial_indices(x, u)
    waits = wrap(draw("exponential", tuple(x.shape), dtypes.float64, x.device, generator))
    return sorting.topk(
        x.to(dtypes.float64) / waits, int(num_samples)
    ).indices  # the first arrivals of Poisson processes


def _standard_gamma(alpha: Tensor, generator: Any = None) -> Tensor:
    """Gamma numbers of scale 1 (for ``distributions``), differentiable with respect to ``alpha``."""
    x = wrap(draw("gamma", tuple(alpha.shape), alpha.dtype, alpha.device, generator, alpha.detach().value))
    if not alpha.requires_grad:
        return x
    from ..distributions.implicit import FollowConcentration

    return FollowConcentration.apply(alpha, x)


FUNCTIONS["_standard_gamma"] = _standard_gamma


# ---- filling in place ----


def _fill(name: str, make: Any) -> None:
    def inplace(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
        check_leaf(self, name)
        if "from" in kwargs:
            kwargs["from_"] = kwargs.pop("from")
        return write(self, make(self, *args, generator=generator, **kwargs).to(self.dtype), name)

    inplace.__name__ = inplace.__qualname__ = name
    inplace.__doc__ = f"Fill with random numbers, {make.__doc__}. Takes ``generator=``; returns itself."
    setattr(Tensor, name, inplace)


def _positive(value: float, name: str, what: str) -> None:
    if not value > 0:
        raise RuntimeError(f"{name} expects {what} > 0.0, but found {what}={value}")


def _floating(x: Tensor, name: str) -> None:
    if x.dtype.category < dtypes.FLOAT or (x.dtype.is_complex and name != "normal_"):
        raise NotImplementedError(f"{name}: not implemented for {x.dtype}")


def _uniform(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None) -> Tensor:
    """uniform in [from, to)"""
    _floating(self, "uniform_")
    if from_ > to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={from_} > to={to}")
    check_bounds(from_, to, self.dtype, ("from", "to"))
    if to - from_ > dtypes.finfo(self.dtype).max:
        raise RuntimeError(f"uniform_ expects to - from <= {dtypes.finfo(self.dtype).max}, but found {from_} and {to}")
    if self.dtype in (dtypes.float16, dtypes.bfloat16):
        u = wrap(draw("uniform", tuple(self.shape), self.dtype, self.device, generator))
    else:
        u = _sample("uniform", self, generator)
    return u * (to - from_) + from_


def _normal(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """normal of mean ``mean`` and standard deviation ``std``"""
    _floating(self, "normal_")
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    if self.dtype.is_complex:
        return FUNCTIONS["randn_like"](self.detach(), generator=generator) * std + mean
    return _sample("normal", self, generator) * std + mean


def _bernoulli(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """1 with probability ``p`` (a number or a tensor), else 0"""
    return bernoulli(self.detach(), p, generator=generator)


def _random(self: Tensor, *bounds: Any, from_: Any = None, to: Any = None, generator: Any = None) -> Tensor:
    """integers in [from, to), or below ``to``, or all that the dtype holds exactly"""
    if len(bounds) == 1 and to is None:
        bounds = (0, *bounds)
    from_, to = (*bounds, *(from_, to)[len(bounds) :])
    from_, d = from_ or 0, self.dtype
    if to is None:
        most = 1 if d is dtypes.bool_ else EXACT.get(d.name) or dtypes.iinfo(d).max
        to = min(most + 1, 2**63 - 1)
    if from_ >= to:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={from_} >= to={to}")
    check_bounds(from_, to - 1, d)
    return wrap(draw("integers", tuple(self.shape), dtypes.int64, self.device, generator, int(from_), int(to)))


def _exponential(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """exponential of rate ``lambd``"""
    _floating(self, "exponential_")
    _positive(lambd, "exponential_", "lambda")
    return _sample("exponential", self, generator) / lambd


def _geometric(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """geometric: the number of trials up to the first success of probability ``p``"""
    if self.dtype.is_complex or self.dtype.category == dtypes.BOOL:
        raise NotImplementedError(f"geometric_: not implemented for {self.dtype}")
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    return ops.ceil(_sample("exponential", self, generator) / -math.log1p(-p)).clamp(min=1.0)  # type: ignore[attr-defined]


def _cauchy(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Tensor:
    """Cauchy of median ``median`` and scale ``sigma``"""
    _floating(self, "cauchy_")
    _positive(sigma, "cauchy_", "sigma")
    return ops.tan((_sample("uniform", self, generator) - 0.5) * math.pi) * sigma + median


def _log_normal(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> Tensor:
    """log-normal: exp of a normal of mean ``mean`` and standard deviation ``std``"""
    _floating(self, "log_normal_")
    _positive(std, "log_normal_", "std")
    return ops.exp(_sample("normal", self, generator) * std + mean)


for _make in (_uniform, _normal, _bernoulli, _random, _exponential, _geometric, _cauchy, _log_normal):
    _fill(f"{_make.__name__[1:]}_", _make)


# ---- names of lucid.random that only Lucid 2 had ----


def uniform(
    low: float = 0.0, high: float = 1.0, size: Any = (), *, generator: Any = None, dtype: Any = None, device: Any = None
) -> Tensor:
    """Uniform numbers in ``[low, high)``.

    >>> import lucid
    >>> lucid.random.uniform(2.0, 2.0, (2,))
    tensor([2., 2.])
    """
    u = FUNCTIONS["rand"](
        sizes_arg((size,) if isinstance(size, int) else tuple(size), "uniform"),
        generator=generator,
        dtype=dtype,
        device=device,
    )
    return u * (high - low) + low

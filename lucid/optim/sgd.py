"""Stochastic gradient descent, its averages, signs and scales."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..core import modes
from . import rules
from .checks import at_least, checked, coefficients, decays, flags, l2_only, learning_rate, number, options, real_only
from .ruled import Numbers, RuleOptimizer


class SGD(RuleOptimizer):
    """Stochastic gradient descent with momentum.

    ``m = momentum * m + (1 - dampening) * g`` (``m = g`` at first), ``p = p - lr * m``; with ``nesterov``,
    ``g + momentum * m`` takes the place of ``m``. ``weight_decay * p`` is added to g. State: ``momentum_buffer``.

    Raises ValueError for negative arguments, and for ``nesterov`` without momentum or with dampening.
    Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.

    >>> import lucid
    >>> w = lucid.tensor([1.0], requires_grad=True)
    >>> opt = lucid.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.detach()
    tensor([0.8000])
    """

    rule = staticmethod(rules.sgd)
    counts = False

    def __init__(
        self, params: Any, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
        nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None, differentiable: bool = False,
        fused: bool | None = None,
    ):  # fmt: skip
        defaults = checked(locals(), "momentum")
        if nesterov and (float(momentum) <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        flags(fused, foreach, differentiable)
        super().__init__(params, defaults)

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": 0} if group["momentum"] != 0 else {}

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        damped = s["fresh"] is False and group["dampening"] != 0
        return l2_only(group) | {
            "lr": number(group["lr"]), "momentum": number(group["momentum"]),
            "undamped": 1.0 - number(group["dampening"]) if damped else None, "nesterov": bool(group["nesterov"]),
        }  # fmt: skip


class ASGD(RuleOptimizer):
    """Averaged stochastic gradient descent, with an average that one can use.

    ``p = (1 - lambd * eta) * p - eta * g``, ``ax = ax + mu * (p - ax)`` (a copy of p while ``mu`` is 1), and then
    ``eta = lr / (1 + lambd * lr * t)^alpha``, ``mu = 1 / max(1, t - t0)`` for the next step. State:
    ``step, eta, mu, ax`` as in PyTorch, whose ``eta`` and ``mu`` are rounded to float32; these are exact.
    ``with opt.averaged():`` evaluates the model with the averaged weights.

    Raises ValueError for a negative lr or weight_decay.
    Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.

    >>> import lucid
    >>> w = lucid.tensor([4.0], requires_grad=True)
    >>> opt = lucid.optim.ASGD([w], lr=0.5, lambd=0.0, t0=0)
    >>> for _ in range(3):
    ...     opt.zero_grad()
    ...     w.sum().backward()
    ...     opt.step()
    >>> w.detach()
    tensor([2.5000])
    >>> with opt.averaged():
    ...     w.detach().clone()
    tensor([2.7500])
    """

    rule = staticmethod(rules.asgd)
    zeros = ("ax",)
    keeps_dtype = ("eta", "mu")
    averaging = False

    def __init__(
        self, params: Any, lr: Any = 0.01, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
        weight_decay: float = 0, *, maximize: bool = False, foreach: bool | None = None, differentiable: bool = False,
        capturable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals())
        super().__init__(params, defaults)

    def begin(self, group: dict[str, Any]) -> None:
        if self.averaging:
            raise RuntimeError(
                "ASGD.step: inside averaged() the parameters are not those that are trained; leave it first"
            )

    def counters(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "eta": float(group["lr"]), "mu": 1.0}

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        eta, mu, lr, t, lambd = s["eta"], s["mu"], float(group["lr"]), s["step"], float(group["lambd"])
        s["eta"] = lr / (1.0 + lambd * lr * t) ** group["alpha"]
        s["mu"] = 1.0 / max(1.0, t - group["t0"])
        return l2_only(group) | {"eta": eta, "mu": mu, "keep": 1.0 - lambd * eta, "copies": mu == 1.0}

    def swap_averaged(self) -> None:
        """Exchange the weights with their averages, for good; a second call undoes it."""
        with modes.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    average = self.state[p].get("ax") if p in self.state else None
                    if average is not None:
                        running = p.detach().clone()
                        p.copy_(average)
                        average.copy_(running)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the parameters are their averages; after it, also after an exception, they are what they were.

        A parameter that no step has updated yet stays as it is. Raises RuntimeError for a step inside.
        """
        outer = self.averaging
        params = [
            p for group in self.param_groups for p in group["params"] if p in self.state and "ax" in self.state[p]
        ]
        running = [p.detach().clone() for p in params]
        self.averaging = True
        try:
            with modes.no_grad():
                for p in params:
                    p.copy_(self.state[p]["ax"])
            yield
        finally:
            self.averaging = outer
            with modes.no_grad():
                for p, value in zip(params, running, strict=True):
                    p.copy_(value)


class SignSGD(RuleOptimizer):
    """Steps of ``lr`` in the direction of the gradient's signs: ``p = p - lr * sign(g)``.

    ``weight_decay`` is added to the gradient. No state. Raises ValueError for negative arguments.
    Bernstein et al., signSGD: Compressed optimisation for non-convex problems, arXiv 1802.04434.
    """

    rule = staticmethod(rules.signum)
    counts = False

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        defaults = checked(locals())
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr = number(group["lr"])
        return decays(group, lr, False) | {"lr": lr, "b": 0.0, "a": 1.0}


class Signum(RuleOptimizer):
    """The sign of the momentum: ``m = b * m + (1 - b) * g``, ``p = p - lr * sign(m)``.

    ``weight_decay`` is added to g, or shrinks the parameter with ``decoupled_weight_decay``. State:
    ``momentum_buffer``. Raises ValueError for negative arguments and a momentum outside [0, 1).
    Bernstein et al., arXiv 1802.04434.
    """

    rule = staticmethod(rules.signum)
    zeros = ("momentum_buffer",)
    counts = False

    def __init__(
        self, params: Any, lr: Any = 1e-3, momentum: float = 0.9, weight_decay: float = 0, *,
        decoupled_weight_decay: bool = False, maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = options(locals())
        learning_rate(lr)
        coefficients((momentum,), 1, "momentum")
        at_least(0, weight_decay=weight_decay)
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, b = number(group["lr"]), number(group["momentum"])
        return decays(group, lr, group["decoupled_weight_decay"]) | {"lr": lr, "b": b, "a": 1.0 - b}


class Tiger(RuleOptimizer):
    """Lion with one coefficient: ``m = b * m + (1 - b) * g``, ``p = (1 - lr * wd) * p - lr * sign(m)``.

    State: ``exp_avg``. Raises ValueError for negative arguments and a beta outside [0, 1).
    Su, Tiger: A tight-fisted optimizer, 2023, https://github.com/bojone/tiger.
    """

    rule = staticmethod(rules.signum)
    zeros = ("exp_avg",)
    counts = False

    def __init__(
        self, params: Any, lr: Any = 1e-3, beta: float = 0.965, weight_decay: float = 0.01, *, maximize: bool = False,
        differentiable: bool = False,
    ):  # fmt: skip
        defaults = options(locals())
        learning_rate(lr)
        coefficients((beta,), 1)
        at_least(0, weight_decay=weight_decay)
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, b = number(group["lr"]), number(group["beta"])
        return decays(group, lr, True) | {"lr": lr, "b": b, "a": 1.0 - b}


class LARS(RuleOptimizer):
    """SGD whose rate follows the ratio of weight and gradient in each matrix.

    ``g = trust_coefficient * |p| / (|g| + weight_decay * |p| + eps) * (g + weight_decay * p)`` for parameters of two
    dimensions or more (others are left as they are, without decay), then SGD with momentum. State: ``momentum_buffer``.

    Raises ValueError for negative arguments, for ``nesterov`` without momentum or with dampening, and for
    complex parameters.
    You, Gitman and Ginsburg, Large batch training of convolutional networks, arXiv 1708.03888.
    """

    rule = staticmethod(rules.lars)
    per_parameter = True
    counts = False

    def __init__(
        self, params: Any, lr: Any = 1e-3, momentum: float = 0.9, dampening: float = 0, weight_decay: float = 0,
        trust_coefficient: float = 1e-3, eps: float = 0.0, nesterov: bool = False, *, maximize: bool = False,
        differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "momentum", "trust_coefficient")
        if nesterov and (float(momentum) <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)
        real_only(self)

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": 0} if group["momentum"] != 0 else {}

    def numbers_for(self, p: Any, group: dict[str, Any], s: Numbers) -> Numbers:
        return l2_only(group) | {
            "lr": number(group["lr"]), "factor": number(group["trust_coefficient"]), "momentum": number(group["momentum"]),
            "undamped": 1.0 - number(group["dampening"]) if group["dampening"] != 0 else None, "eps": number(group["eps"]),
            "adapt": p.ndim > 1, "nesterov": bool(group["nesterov"]),
        }  # fmt: skip

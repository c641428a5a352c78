"""The generalized framework of stochastic subgradient methods with momentum, and Lion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor, wrap
from . import maps, rules
from .checks import at_least, checked, coefficients, decays, learning_rate, number, options
from .ruled import Numbers, RuleOptimizer


class _Scaled(RuleOptimizer):
    """``scaling`` None is 1/lr of the group at construction: when a schedule lowers lr, the momentum rises."""

    counts = False

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        if param_group["scaling"] is None:
            lr = float(param_group["lr"])
            param_group["scaling"] = 1.0 / lr if lr else float("inf")

    @staticmethod
    def scale(group: dict[str, Any]) -> float:
        """``lr * scaling``, which is exactly 1 as long as lr is what it was."""
        lr, scaling = float(group["lr"]), float(group["scaling"])
        product = lr * scaling if lr else 0.0
        return 1.0 if abs(product - 1.0) < 1e-14 else product


class GSGD(_Scaled):
    """Generalized SGD: momentum that rises as the learning rate falls, and a map that turns it into a step.

    With g the gradient (plus ``weight_decay * p``) and ``beta = max(momentum, 1 - lr * scaling * (1 - momentum))``:
    ``m = m + (1 - beta) * (g - m)`` (``m = g`` in the first step), ``p = p - lr * (Dphi_map(m) + nesterov * g)``, plus
    for ``maximize``. With momentum 0, ``p = p - lr * g``. ``scaling`` None means 1/lr at construction, per group, so
    that ``beta`` is ``momentum`` until a schedule lowers lr. ``Dphi_map`` identity is heavy-ball SGD, ``lucid.sign``
    signSGD; ``lucid.optim.maps`` has ``normalized`` and ``clipped(bound)``. A map of your own takes and returns a
    Tensor, one parameter at a time. State: ``momentum_buffer``. The gradient is never modified.

    The authors' released code computes in place, by which its Nesterov term becomes ``nesterov * (g - m)`` from the
    second step on (m of the step before); this is the framework as stated, with ``nesterov * g``.

    Raises ValueError for an lr that is not positive, and negative momentum, weight_decay or nesterov, or momentum >= 1.
    Xiao, Hu and Toh, Convergence guarantees for stochastic subgradient methods in nonsmooth nonconvex optimization,
    arXiv 2307.10053.

    >>> import lucid
    >>> w = lucid.tensor([1.0, -3.0], requires_grad=True)
    >>> opt = lucid.optim.GSGD([w], lr=0.5, Dphi_map=lucid.sign)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.detach()
    tensor([ 0.5000, -2.5000])
    """

    def __init__(
        self, params: Any, lr: Any, momentum: float = 0.9, scaling: float | None = None,
        Dphi_map: Callable = maps.identity, weight_decay: float = 0, nesterov: float = 0, *, maximize: bool = False,
        differentiable: bool = False,
    ):  # fmt: skip
        defaults = options(locals())
        learning_rate(lr, positive=True)
        coefficients((momentum,), 1, "momentum")
        at_least(0, weight_decay=weight_decay, nesterov=nesterov, scaling=scaling or 0)
        if not callable(Dphi_map):
            raise TypeError(f"Dphi_map must be callable, not {type(Dphi_map).__name__}")
        super().__init__(params, defaults)

    def rule_of(self, group: dict[str, Any]) -> Callable:
        known = group["momentum"] == 0 or maps.kind(group["Dphi_map"]) is not None
        return rules.gsgd if known else rules.gsgd_mapped

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": 0} if group["momentum"] != 0 else {}

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        momentum = number(group["momentum"])
        beta = max(momentum, 1.0 - self.scale(group) * (1.0 - momentum)) if self.scale(group) != 1.0 else momentum
        lr = number(group["lr"])
        result = {
            "lr": -lr if group["maximize"] else lr, "fresh": 1.0 if s["fresh"] else 1.0 - beta,
            "wd": number(group["weight_decay"]), "nesterov": number(group["nesterov"]), "l2": group["weight_decay"] != 0,
            "ahead": group["nesterov"] != 0,
        }  # fmt: skip
        kind = maps.kind(group["Dphi_map"])
        if group["momentum"] == 0 or kind is not None:
            return result | {"sign": kind == "sign"}
        return result | {"Dphi": _on_arrays(group["Dphi_map"])}


def _on_arrays(Dphi: Callable) -> Callable:
    """A map of Tensors as a map of raw arrays (or of Tensors, when the step is recorded)."""

    def call(xp: Any, m: Any) -> Any:
        result = Dphi(m) if isinstance(m, Tensor) else Dphi(wrap(m))
        if not isinstance(result, Tensor) or tuple(result.shape) != tuple(m.shape):
            got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ValueError(
                f"Dphi_map must return a Tensor of the shape that it was given, {tuple(m.shape)}; got {got}"
            )
        return result if isinstance(m, Tensor) else result.value

    return call


class Lion(_Scaled):
    """Lion: the sign of an interpolation between momentum and gradient, with momenta that rise as lr falls.

    ``p = (1 - lr * weight_decay) * p``; with ``b1 = max(1 - lr * (1 - beta1) * scaling, beta1)`` and b2 likewise:
    ``p = p - lr * (sign(b1 * m + (1 - b1) * g) + nesterov_momentum * g)``, then ``m = b2 * m + (1 - b2) * g``.
    ``scaling`` None is 1/lr at construction, per group: with a constant lr this is the Lion of Chen et al. to the
    bit. State: ``exp_avg``.

    Raises ValueError for negative arguments and betas outside [0, 1).
    Chen et al., Symbolic discovery of optimization algorithms, arXiv 2302.06675; the scaling: Xiao, Hu and Toh,
    arXiv 2307.10053.

    >>> import lucid
    >>> w = lucid.tensor([1.0, -3.0], requires_grad=True)
    >>> opt = lucid.optim.Lion([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.detach()
    tensor([ 0.5000, -2.5000])
    """

    rule = staticmethod(rules.lion)
    zeros = ("exp_avg",)

    def __init__(
        self, params: Any, lr: Any = 1e-4, betas: tuple[float, float] = (0.9, 0.99), scaling: float | None = None,
        weight_decay: float = 0.0, nesterov_momentum: float = 0, *, maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "nesterov_momentum", "scaling")
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, scale = number(group["lr"]), self.scale(group)
        b1, b2 = (b if scale == 1.0 else max(1.0 - (1.0 - b) * scale, b) for b in map(number, group["betas"]))
        result = decays(group, lr, True) | {
            "lr": lr, "b1": b1, "a1": 1.0 - b1, "b2": b2, "a2": 1.0 - b2,
            "nesterov": number(group["nesterov_momentum"]), "ahead": group["nesterov_momentum"] != 0,
        }  # fmt: skip
        del result["wd"], result["l2"]
        return result

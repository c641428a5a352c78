"""Adagrad and what grew out of it, and the resilient steps of Rprop."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from . import rules
from .checks import at_least, checked, decays, flags, l2_only, learning_rate, number, options, real_only
from .ruled import Numbers, RuleOptimizer


class Adagrad(RuleOptimizer):
    """Adagrad; weight decay shrinks the parameter itself (``p *= 1 - lr * weight_decay``), unlike in PyTorch.

    ``decoupled_weight_decay=False`` gives PyTorch's form, where ``weight_decay * p`` is added to the gradient; a
    state_dict of ``torch.optim.Adagrad`` has no such key and loads as False. The positional order is Lucid's, too:
    ``lr, eps, weight_decay, initial_accumulator_value``.

    ``sum = sum + g*g``, ``p = p - lr / (1 + (t-1) * lr_decay) * g / (sqrt(sum) + eps)``. State: ``step, sum``, made at
    construction. Raises ValueError for negative arguments.
    Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic optimization, 2011.

    >>> import lucid
    >>> w = lucid.tensor([1.0, -3.0], requires_grad=True)
    >>> opt = lucid.optim.Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.detach()
    tensor([ 0.5000, -2.5000])
    """

    rule = staticmethod(rules.adagrad)
    legacy = {"decoupled_weight_decay": False}

    def __init__(
        self, params: Any, lr: Any = 0.01, eps: float = 1e-10, weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0, *, lr_decay: float = 0.0, decoupled_weight_decay: bool = True,
        maximize: bool = False, foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None,
    ):  # fmt: skip
        defaults = checked(locals(), "lr_decay", "initial_accumulator_value")
        flags(fused, foreach, differentiable)
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self._entry(p, group)

    def share_memory(self) -> None:
        """Does nothing: here for programs that call it."""

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"sum": group["initial_accumulator_value"]}

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        lr = number(group["lr"])
        rate = lr / (1.0 + (s["step"] - 1.0) * group["lr_decay"])
        return decays(group, lr, group["decoupled_weight_decay"]) | {"lr": rate, "eps": number(group["eps"])}


class RMSprop(RuleOptimizer):
    """Gradients divided by the root of their running mean square.

    ``v = alpha*v + (1-alpha)*g*g``, ``u = g / (sqrt(v) + eps)``, ``p = p - lr * u``. With ``centered`` the mean of the
    gradient is taken off v; with ``momentum``, ``b = momentum*b + u`` takes the place of u. ``weight_decay`` is added
    to g. State: ``step, square_avg`` (``momentum_buffer``, ``grad_avg``).

    Raises ValueError for negative arguments. Hinton, Neural networks for machine learning, lecture 6e, 2012;
    centered: Graves, arXiv 1308.0850.
    """

    rule = staticmethod(rules.rmsprop)

    def __init__(
        self, params: Any, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
        momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = checked(locals(), "momentum", "alpha")
        super().__init__(params, defaults)

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        heavy = {"momentum_buffer": 0} if group["momentum"] > 0 else {}
        return {"square_avg": 0} | heavy | ({"grad_avg": 0} if group["centered"] else {})

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        b = number(group["alpha"])
        return l2_only(group) | {
            "lr": number(group["lr"]), "b": b, "a": 1.0 - b, "eps": number(group["eps"]),
            "momentum": number(group["momentum"]), "centered": bool(group["centered"]), "heavy": group["momentum"] > 0,
        }  # fmt: skip


class Adadelta(RuleOptimizer):
    """Steps with the units of the parameter: the gradient times the ratio of two running roots.

    ``v = rho*v + (1-rho)*g*g``, ``u = sqrt(d + eps) / sqrt(v + eps) * g``, ``p = p - lr * u``,
    ``d = rho*d + (1-rho)*u*u``. ``weight_decay`` is added to g. State: ``step, square_avg, acc_delta``.

    Raises ValueError for negative arguments and a rho above 1. Zeiler, ADADELTA, arXiv 1212.5701.
    """

    rule = staticmethod(rules.adadelta)
    zeros = ("square_avg", "acc_delta")

    def __init__(
        self, params: Any, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
        foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False, differentiable: bool = False,
    ):  # fmt: skip
        defaults = options(locals())
        learning_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        at_least(0, eps=eps, weight_decay=weight_decay)
        super().__init__(params, defaults)

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        b = number(group["rho"])
        return l2_only(group) | {"lr": number(group["lr"]), "b": b, "a": 1.0 - b, "eps": number(group["eps"])}


class Rprop(RuleOptimizer):
    """Resilient backpropagation, for full-batch gradients: only the signs count, and each element has its own step.

    The step grows by ``etas[1]`` while the gradient keeps its sign and shrinks by ``etas[0]`` when it changes, within
    ``step_sizes``. ``variant`` says what happens at a change: ``"iRprop-"`` (PyTorch's, the default) takes no step,
    ``"Rprop-"`` goes on, ``"Rprop+"`` undoes the last step, ``"iRprop+"`` undoes it only if the loss rose since the
    last step (``step`` then needs a closure). State: ``step, prev, step_size`` (and ``moved``).

    Raises ValueError for a negative lr, etas that do not enclose 1, and an unknown variant; RuntimeError for
    ``"iRprop+"`` without a closure.
    Riedmiller and Braun, 1993; the variants: Igel and Hüsken, Improving the Rprop learning algorithm, 2000.
    """

    rule = staticmethod(rules.rprop)

    def __init__(
        self, params: Any, lr: Any = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False, variant: str = "iRprop-",
    ):  # fmt: skip
        defaults = options(locals())
        learning_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        if variant not in ("iRprop-", "Rprop-", "Rprop+", "iRprop+"):
            raise ValueError(f"Invalid variant: {variant!r}; expected iRprop-, Rprop-, Rprop+ or iRprop+")
        super().__init__(params, defaults)

    def step(self, closure: Any = None) -> Any:
        if any(group["variant"] == "iRprop+" for group in self.param_groups):
            if closure is None:
                raise RuntimeError('Rprop(variant="iRprop+").step needs a closure that returns the loss')
            inner = closure

            def closure() -> Any:
                loss = inner()
                for group in self.param_groups:
                    value = -float(loss) if group["maximize"] else float(loss)
                    group["worse"], group["last_loss"] = value > group.get("last_loss", value), value
                return loss

        return super().step(closure)

    def slots(self, group: dict[str, Any]) -> dict[str, Any]:
        lr = float(group["lr"])
        return {"prev": 0, "step_size": lr} | ({"moved": 0} if group["variant"].endswith("+") else {})

    def numbers(self, group: dict[str, Any], s: Numbers) -> Numbers:
        (low, high), (smallest, largest), variant = group["etas"], group["step_sizes"], group["variant"]
        back = variant == "Rprop+" or (variant == "iRprop+" and bool(group.get("worse")))
        return {
            "low": float(low), "high": float(high), "smallest": float(smallest), "largest": float(largest),
            "maximize": bool(group["maximize"]), "forget": variant != "Rprop-", "back": back,
        }  # fmt: skip


class Adafactor(RuleOptimizer):
    """Adam's second moment kept as one number per row and column, with steps relative to the parameter's size.

    ``b2_t = 1 - t^beta2_decay``; with row and column means R and C of g*g, ``v = R C / mean(R)`` (a plain mean square
    for vectors), ``u = g / max(sqrt(v), eps1)``, ``p = p - max(eps2, rms(p)) * min(lr, 1/sqrt(t)) * u / max(1, rms(u)/d)``
    after ``p *= 1 - lr * weight_decay``. State: ``step, row_var, col_var`` or ``variance``.

    Raises ValueError for negative arguments, a positive beta2_decay, d below 1, and complex parameters.
    Shazeer and Stern, Adafactor: Adaptive learning rates with sublinear memory cost, arXiv 1804.04235.
    """

    rule = staticmethod(rules.adafactor)
    per_parameter = True

    def __init__(
        self, params: Any, lr: Any = 1e-2, beta2_decay: float = -0.8, eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0, weight_decay: float = 0.0, *, foreach: bool | None = None, maximize: bool = False,
    ):  # fmt: skip
        defaults = options(locals())
        learning_rate(lr)
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        at_least(0, eps1=eps[0] or 0.0, eps2=eps[1], weight_decay=weight_decay)
        at_least(1, d=d)
        super().__init__(params, defaults)
        real_only(self)

    def slots_for(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        if p.ndim < 2:
            return {"variance": 0}
        return {"row_var": lambda p: p.detach().new_zeros((*p.shape[:-1], 1)),
                "col_var": lambda p: p.detach().new_zeros((*p.shape[:-2], 1, p.shape[-1]))}  # fmt: skip

    def numbers_for(self, p: Any, group: dict[str, Any], s: Numbers) -> Numbers:
        lr, t = number(group["lr"]), s["step"]
        eps1, eps2 = group["eps"]
        own = decays(group, lr, True)
        return {
            "least": float(eps2), "rho": min(lr, t**-0.5), "a": t ** float(group["beta2_decay"]), "keep": own["keep"],
            "eps1": float(dtypes_eps(p) if eps1 is None else eps1), "d": float(group["d"]), "maximize": own["maximize"],
            "decay": own["decay"], "count": p.shape.numel(), "last": p.shape[-1] if p.ndim else 1,
            "before": p.shape[-2] if p.ndim > 1 else 1,
        }  # fmt: skip


def dtypes_eps(p: Any) -> float:
    """The spacing of numbers near 1 in the parameter's dtype."""
    return dtypes.finfo(p.dtype).eps

"""L-BFGS with a strong Wolfe line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ops
from ..core import dtypes, modes
from ..core.tensor import Tensor
from .checks import learning_rate, options
from .optimizer import Optimizer

Objective = Callable[[float], tuple[float, Tensor]]


def dot(a: Tensor, b: Tensor) -> float:
    return float(ops.sum(a * b))


class LBFGS(Optimizer):
    """Limited-memory BFGS, for full-batch problems; ``step`` needs a closure and runs up to ``max_iter`` iterations.

    The direction is ``-H g``, where H is built from the last ``history_size`` changes of parameters and gradients;
    ``line_search_fn="strong_wolfe"`` looks for a step with the strong Wolfe conditions, otherwise the step is ``lr``.
    One parameter group only. State (of the first parameter): ``func_evals, n_iter, d, t, old_dirs, old_stps, ro,
    H_diag, prev_flat_grad, prev_loss``.

    Raises ValueError for a negative lr and several groups, RuntimeError for another line search.
    Nocedal and Wright, Numerical optimization, 2006, chapters 3 and 7; the search follows minFunc, as PyTorch's does.

    >>> import lucid
    >>> w = lucid.tensor([3.0, -2.0], requires_grad=True)
    >>> opt = lucid.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> opt.step(closure).item()
    13.0
    >>> w.detach().round(decimals=4)
    tensor([1., 1.])
    """

    def __init__(
        self, params: Any, lr: Any = 1, max_iter: int = 20, max_eval: int | None = None, tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9, history_size: int = 100, line_search_fn: str | None = None,
    ):  # fmt: skip
        learning_rate(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, options(locals()))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def _flat_grad(self) -> Tensor:
        return ops.concat(*(_flat(p.detach() * 0 if p.grad is None else p.grad.detach()) for p in self._params), 0)

    def _move(self, points: list[Tensor], step: Tensor) -> None:
        """Put the parameters at ``points + step``."""
        start = 0
        for p, x in zip(self._params, points, strict=True):
            n = _flat(x).shape[0]
            p.copy_(x + _unflat(step[start : start + n], p))
            start += n

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimize; the closure clears the gradients, computes the loss, calls backward and returns it."""
        with modes.no_grad():
            return self._minimize(modes.enable_grad()(closure))

    def _minimize(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr, search = float(group["lr"]), group["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss, evals = float(first_loss), 1
        state["func_evals"] += 1
        g = self._flat_grad()
        if _largest(g) <= group["tolerance_grad"]:
            return first_loss
        d, t, old_g, old_loss = state.get("d"), state.get("t"), state.get("prev_flat_grad"), state.get("prev_loss")
        t = None if t is None else float(t)
        for n in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self._direction(state, group, g, d, t, old_g)
            old_g, old_loss = g, loss
            t = min(1.0, 1.0 / float(ops.sum(ops.abs(g)))) * lr if state["n_iter"] == 1 else lr
            slope = dot(g, d)
            if slope > -group["tolerance_change"]:
                break
            points = [p.detach().clone() for p in self._params]
            used, flat = 0, False
            if search is not None:

                def objective(t: float, d: Tensor = d, points: list[Tensor] = points) -> tuple[float, Tensor]:
                    self._move(points, d * t)
                    return float(closure()), self._flat_grad()

                loss, g, t, used = strong_wolfe(objective, t, d, loss, g, slope, max_ls=group["max_eval"] - evals)
                self._move(points, d * t)
                flat = _largest(g) <= group["tolerance_grad"]
            else:
                self._move(points, d * t)
                if n != group["max_iter"]:
                    loss, g, used = float(closure()), self._flat_grad(), 1
                    flat = _largest(g) <= group["tolerance_grad"]
            evals += used
            state["func_evals"] += used
            little = _largest(d * t) <= group["tolerance_change"] or abs(loss - old_loss) < group["tolerance_change"]
            if n == group["max_iter"] or evals >= group["max_eval"] or flat or little:
                break
        state.update(d=d, t=t, prev_flat_grad=old_g, prev_loss=old_loss)
        return first_loss

    @staticmethod
    def _direction(state: Any, group: dict[str, Any], g: Tensor, d: Any, t: Any, old_g: Any) -> Tensor:
        """The two-loop recursion; the history is updated first."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -g
        y, s = g - old_g, d * t
        ys = dot(y, s)
        changes, steps, ro = list(state["old_dirs"]), list(state["old_stps"]), list(state["ro"])
        if ys > 1e-10:
            if len(changes) == group["history_size"]:
                del changes[0], steps[0], ro[0]
            changes.append(y)
            steps.append(s)
            ro.append(1.0 / ys)
            state["H_diag"] = ys / dot(y, y)
        state.update(old_dirs=changes, old_stps=steps, ro=ro)
        al, q = [0.0] * len(changes), -g
        for i in reversed(range(len(changes))):
            al[i] = dot(steps[i], q) * float(ro[i])
            q = q - changes[i] * al[i]
        r = q * float(state["H_diag"])
        for i in range(len(changes)):
            r = r + steps[i] * (al[i] - dot(changes[i], r) * float(ro[i]))
        return r


def _flat(x: Tensor) -> Tensor:
    """The elements in a row, complex ones as pairs of reals."""
    if x.dtype.category == dtypes.COMPLEX:
        return ops.concat(ops.real(x).reshape(-1, 1), ops.imag(x).reshape(-1, 1), 1).reshape(-1)
    return x.reshape(-1)


def _unflat(flat: Tensor, like: Tensor) -> Tensor:
    if like.dtype.category == dtypes.COMPLEX:
        pairs = flat.reshape(-1, 2)
        return (pairs[:, 0] + 1j * pairs[:, 1]).reshape(tuple(like.shape))
    return flat.reshape(tuple(like.shape))


def _largest(x: Tensor) -> float:
    return float(ops.amax(ops.abs(x), None, False)) if x.shape[0] else 0.0


def cubic_minimum(
    x1: float, f1: float, g1: float, x2: float, f2: float, g2: float, bounds: tuple[float, float] | None = None
) -> float:
    """The minimum of the cubic through two points with these values and slopes, kept within the bounds."""
    low, high = bounds or (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if x1 <= x2:
        best = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        best = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(best, low), high)


def strong_wolfe(
    objective: Objective, t: float, d: Tensor, f: float, g: Tensor, slope: float, c1: float = 1e-4, c2: float = 0.9,
    tolerance_change: float = 1e-9, max_ls: int = 25,
) -> tuple[float, Tensor, float, int]:  # fmt: skip
    """A step along ``d`` with the strong Wolfe conditions: ``(loss, gradient, step, evaluations)``.

    First a bracket around such a step, then it is narrowed.
    """
    size = _largest(d)
    Point = tuple[float, float, Tensor, float]  # step, loss, gradient, slope

    def look(t: float) -> Point:
        f_new, g_new = objective(t)
        return t, f_new, g_new, dot(g_new, d)

    new, before, evals, tries = look(t), (0.0, f, g, slope), 1, 0
    bracket: list[Point] = []
    done = False
    while tries < max_ls:
        if new[1] > f + c1 * new[0] * slope or (tries > 1 and new[1] >= before[1]):
            bracket = [before, new]
            break
        if abs(new[3]) <= -c2 * slope:
            bracket, done = [new], True
            break
        if new[3] >= 0:
            bracket = [before, new]
            break
        bounds = (new[0] + 0.01 * (new[0] - before[0]), new[0] * 10)
        t = cubic_minimum(before[0], before[1], before[3], new[0], new[1], new[3], bounds)
        before, new = new, look(t)
        evals, tries = evals + 1, tries + 1
    if not bracket:
        bracket = [(0.0, f, g, slope), new]
    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    slow = False
    while not done and tries < max_ls:
        a, b = bracket
        if abs(b[0] - a[0]) * size < tolerance_change:
            break
        t = cubic_minimum(a[0], a[1], a[3], b[0], b[1], b[3])
        left, right = min(a[0], b[0]), max(a[0], b[0])
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near an end: next time, or if outside, a tenth away from it
            if slow or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                slow = False
            else:
                slow = True
        else:
            slow = False
        new = look(t)
        evals, tries = evals + 1, tries + 1
        if new[1] > f + c1 * t * slope or new[1] >= bracket[low][1]:
            bracket[high] = new
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(new[3]) <= -c2 * slope:
                done = True
            elif new[3] * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
    t, f_new, g_new, _ = bracket[low if len(bracket) > 1 else 0]
    return f_new, g_new, t, evals

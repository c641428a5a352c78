"""From a constraint to a transform that leads from all real numbers into it.

``biject_to`` gives bijections (for Hamiltonian Monte Carlo), ``transform_to`` what is easy to optimise through.
"""

from __future__ import annotations

from numbers import Number
from typing import Any

from . import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """A table of factories, one per class of constraint; calling it with a constraint makes the transform.

    Raises NotImplementedError for a class without a factory.

    >>> import lucid
    >>> d = lucid.distributions
    >>> d.transform_to(d.constraints.positive)(lucid.zeros(2))
    tensor([1., 1.])
    """

    def __init__(self) -> None:
        self._registry: dict = {}
        super().__init__()

    def register(self, constraint: Any, factory: Any = None) -> Any:
        """Register ``factory(constraint) -> Transform`` for a class (or an instance of it); also a decorator.

        Raises TypeError for what is not a constraint.
        """
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        if isinstance(constraint, constraints.Constraint):
            constraint = type(constraint)
        if not isinstance(constraint, type) or not issubclass(constraint, constraints.Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[constraint] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _register(made_by: Any, *regions: Any, only: Any = None) -> None:
    """``made_by(registry, constraint)`` for the regions, in both registries or only in one."""
    for registry in (biject_to, transform_to) if only is None else (only,):
        for region in regions:
            registry.register(region, lambda c, registry=registry: made_by(registry, c))


def _exp_then(start: Any, scale: int) -> Any:
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(start, scale)])


def _interval(registry: Any, c: Any) -> Any:
    low, high = c.lower_bound, c.upper_bound
    if isinstance(low, Number) and isinstance(high, Number) and low == 0 and high == 1:
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


_register(lambda registry, c: transforms.identity_transform, constraints.real)
_register(
    lambda registry, c: transforms.IndependentTransform(registry(c.base_constraint), c.reinterpreted_batch_ndims),
    constraints.independent,
)
# positive and nonnegative are instances of these two, of lower bound 0
_register(lambda registry, c: _exp_then(c.lower_bound, 1), constraints.greater_than, constraints.greater_than_eq)
_register(lambda registry, c: _exp_then(c.upper_bound, -1), constraints.less_than)
_register(_interval, constraints.interval, constraints.half_open_interval)
_register(lambda registry, c: transforms.StickBreakingTransform(), constraints.simplex, only=biject_to)
_register(lambda registry, c: transforms.SoftmaxTransform(), constraints.simplex, only=transform_to)
_register(lambda registry, c: transforms.LowerCholeskyTransform(), constraints.lower_cholesky, only=transform_to)
_register(
    lambda registry, c: transforms.PositiveDefiniteTransform(),
    constraints.positive_definite,
    constraints.positive_semidefinite,
    only=transform_to,
)
_register(lambda registry, c: transforms.CorrCholeskyTransform(), constraints.corr_cholesky)
_register(lambda registry, c: transforms.CatTransform([registry(k) for k in c.cseq], c.dim, c.lengths), constraints.cat)
_register(lambda registry, c: transforms.StackTransform([registry(k) for k in c.cseq], c.dim), constraints.stack)

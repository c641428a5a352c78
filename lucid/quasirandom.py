"""Numbers that fill the unit cube more evenly than random ones; the sequence itself comes from SciPy."""

from __future__ import annotations

from typing import Any

from .core import dtypes
from .core.tensor import Tensor, as_tensor
from .functions.outputs import write_out

__all__ = ["SobolEngine"]


class SobolEngine:
    """Sobol' points in ``[0, 1)^dimension``, scrambled by ``seed`` if ``scramble``; needs SciPy.

    Unscrambled points are PyTorch's. Raises ValueError for a dimension outside 1 .. ``MAXDIM``.

    >>> import lucid
    >>> lucid.quasirandom.SobolEngine(2).draw(3)
    tensor([[0.0000, 0.0000],
            [0.5000, 0.5000],
            [0.7500, 0.2500]])

    S. Joe and F. Y. Kuo, Constructing Sobol sequences with better two-dimensional projections, 2008.
    """

    MAXBIT = 30
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None):
        if not 1 <= dimension <= self.MAXDIM:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}], got {dimension}"
            )
        try:
            from scipy.stats import qmc
        except ImportError:
            raise RuntimeError("SobolEngine needs SciPy: pip install scipy") from None
        self.dimension, self.scramble, self.seed, self.num_generated = dimension, scramble, seed, 0
        self._sobol = qmc.Sobol(dimension, scramble=scramble, bits=self.MAXBIT, rng=seed)

    def draw(self, n: int = 1, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """The next ``n`` points, one in a row."""
        d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
        points = [[]] if n == 0 else self._next(n)
        self.num_generated += n
        t = as_tensor(points, dtype=d).reshape(n, self.dimension)  # type: ignore[attr-defined]
        return t if out is None else write_out(out, lambda: t, "draw")  # type: ignore[no-any-return]

    def _next(self, n: int) -> Any:
        import warnings

        with warnings.catch_warnings():  # of numbers of points that are no power of 2
            warnings.simplefilter("ignore", UserWarning)
            return self._sobol.random(n)

    def draw_base2(self, m: int, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """The next ``2**m`` points; ValueError unless all points drawn so far are then a power of 2."""
        total = self.num_generated + 2**m
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: n={total}; use draw()"
            )
        return self.draw(2**m, out, dtype)

    def reset(self) -> SobolEngine:
        """Start again from the first point."""
        self._sobol.reset()
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Leave out ``n`` points."""
        if n:
            self._sobol.fast_forward(n)
        self.num_generated += n
        return self

    def __repr__(self) -> str:
        scrambled = "".join(
            f", {name}={value}" for name, value in (("scramble", self.scramble), ("seed", self.seed)) if value
        )
        return f"SobolEngine(dimension={self.dimension}{scrambled})"

"""The elementwise rules, read with array_api_strict: standard names, no method calls, no silent promotion."""

import numpy as np
import pytest

from lucid import backends
from lucid.core.op import OPS
from op_table import OPS as TABLE

strict = pytest.importorskip("array_api_strict")
KERNELS = backends.load("cpu").table  # what the dialect has beyond the standard (rsqrt, sigmoid, relu_grad, ...)


class Namespace:
    """array_api_strict, and our kernels under the names that it lacks."""

    def __getattr__(self, name):
        found = getattr(strict, name, None)
        if found is not None:
            return found
        kernel = getattr(KERNELS, name)
        return lambda *args: strict.asarray(
            np.asarray(kernel(*(np.asarray(a) if hasattr(a, "shape") else a for a in args)))
        )


ROWS = [c for c in TABLE if c.op.kind == "elementwise" and c.op.derivatives and not c.fixed and not c.params]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_rule(row):
    op = OPS[row.name]
    rng = np.random.default_rng(0)
    inputs = [rng.uniform(max(row.low, 0.2) if row.low > 0 else row.low, row.high, (3, 4)) for _ in row.shapes]
    out = np.asarray(getattr(KERNELS, row.name)(*inputs))
    g = rng.standard_normal((3, 4))
    compared = 0
    for k in range(len(op.derivatives)):
        saved = (*inputs, out, tuple((3, 4) for _ in inputs))
        expected = op.rules[k](KERNELS, g, saved, ())
        if expected is None:
            continue
        found = op.rules[k](Namespace(), strict.asarray(g), (*map(strict.asarray, (*inputs, out)), saved[-1]), ())
        assert isinstance(found, strict._array_object.Array), type(found)
        np.testing.assert_allclose(np.asarray(found), expected, 1e-12, 1e-12)
        compared += 1
    assert compared or row.name in ("floor_divide", "relu_grad")

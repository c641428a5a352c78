"""Every op of the table through every check of ``check_op``, and the rules read as text."""

import inspect
import re
from pathlib import Path

import pytest

import lucid
import lucid.nn
from lucid import backends, ops
from lucid.core.op import OPS
from lucid.testing import check_device, check_op
from op_table import OPS as BASIC
from op_table_linear import LINEAR
from op_table_special import SPECIAL
from reference import needs_mlx

TABLE = [*BASIC, *SPECIAL, *LINEAR]


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_op(row):
    check_op(row)


# Ops without a row: what makes a row awkward, and the file that compares them with torch instead.
ELSEWHERE = {
    # complex inputs; integers
    "test_pointwise.py": """real imag view_as_real sgn bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_left_shift
    bitwise_right_shift gcd lcm heaviside nextafter frexp_exponent isin""",
    # results that are whole numbers, or of a size that depends on values
    "test_reductions.py": """all any count_nonzero bincount bincount_weighted histc histogram_counts histogram_weights
    cumulative_argmax cumulative_argmin""",
    "test_sorting.py": "kth_index mode_index topk_indices unique unique_consecutive",
    "test_creation_random.py": "multinomial_indices",
    "test_special.py": "bessel_i bessel_j airy_ai sinc_derivative",  # derivatives of other functions, by order
    "test_fft.py": "fft_c2c fft_c2r",  # complex inputs
    # unique up to signs or phases
    "test_linalg.py": """lstsq_solution cofactor slogdet svd eig lu_factor eigvalsh svdvals cholesky_ex inv_ex geqrf ldl_factor
    ldl_solve pivot_order""",
    "test_conv.py": "conv_input_grad conv_weight_grad",  # derivatives of conv, whose second order is in its row
    "test_pooling.py": "max_pool max_pool_grad max_pool_take max_pool_indices adaptive_max_indices avg_pool avg_pool_grad im2col col2im",
    "test_indexing.py": "scatter_reduce masked_gather diagonal_put fold_windows as_strided nonzero",
    "test_views_inplace.py": "view_scatter",
    "test_nn_functional.py": "hardtanh hardswish cross_entropy_grad",
    "test_nn_large_vocabulary.py": "ctc_loss",  # one of its outputs is -1e30 where no path comes
    "test_hooks.py": "module_boundary",
    "test_dtypes.py": "cast",
    "test_shape.py": "reinterpret",
    "test_mlx.py": "to_device",
}


def test_every_op_is_in_the_table_or_tested_elsewhere():
    elsewhere = {name for names in ELSEWHERE.values() for name in names.split()}
    rows = {row.name for row in TABLE}
    missing = set(OPS) - rows - elsewhere
    assert not missing, f"ops without a row in tests/op_table*.py: {sorted(missing)}"
    assert not elsewhere & rows and all((Path(__file__).parent / file).exists() for file in ELSEWHERE)


@needs_mlx
@pytest.mark.parametrize("row", TABLE, ids=str)
def test_op_on_mlx(row):
    """Value, gradient, dtype and device on MLX's CPU build, against NumPy in float32."""
    check_device(row, "mlx")


def _names_used(rule):
    """The ``xp.name`` spellings in a rule and in the helper functions that it hands ``xp`` to."""
    seen, todo, names = set(), [rule], set()
    while todo:
        f = todo.pop()
        if f in seen:
            continue
        seen.add(f)
        names |= set(f.__code__.co_names) & _attributes(f)
        todo += [
            g
            for n in f.__code__.co_names
            if inspect.isfunction(g := f.__globals__.get(n)) and "xp" in inspect.signature(g).parameters
        ]
    return names


def _attributes(f):
    return set(re.findall(r"\bxp\.(\w+)", inspect.getsource(f)))


@pytest.mark.parametrize("name", sorted(OPS))
def test_rules_use_only_names_that_every_reading_has(name):
    op = OPS[name]
    for rule in (*op.derivatives, *filter(None, (op.joint, op.put))):
        for used in _names_used(rule):
            assert hasattr(ops, used), f"{name}: its rule uses xp.{used}, which lucid.ops lacks"
            for backend in backends.loaded():
                assert hasattr(backend.table, used), (
                    f"{name}: its rule uses xp.{used}, which the table of {backend.name} lacks"
                )


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_has_a_kernel(name):
    if name != "view_scatter":  # made of other kernels
        for backend in backends.loaded():
            assert hasattr(backend.table, name), f"{name} has no kernel on {backend.name}"


def test_an_op_of_ones_own_in_one_line():
    import math

    from lucid.core.op import elementwise
    from lucid.testing import case

    table = backends.load("cpu").table
    table.softsign_twice = lambda x: x / (1 + abs(x))
    try:
        softsign = elementwise("softsign_twice", lambda xp, g, x: g / xp.square(1 + xp.abs(x)))
        check_op(case("softsign_twice", lambda x: x / (1 + abs(x)), (3, 4), distinct=True))
        x = lucid.tensor([2.0], requires_grad=True)
        softsign(x).backward()
        assert math.isclose(x.grad.item(), 1 / 9, rel_tol=1e-6)
    finally:
        del OPS["softsign_twice"]

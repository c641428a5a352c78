"""Test the tester: faults planted in an op, each of which ``check_op`` must find."""

import numpy as np
import pytest

from lucid import backends
from lucid.core import op as declare
from lucid.core.op import OPS
from lucid.testing import case, check_op


@pytest.fixture
def planted():
    """Declare an op for one test: ``planted(kind, *rules, kernel=...)``."""
    table = backends.load("cpu").table
    made = []

    def plant(kind, *rules, kernel, **options):
        name = f"planted_{len(made)}"
        setattr(table, name, kernel)
        getattr(declare, kind)(name, *rules, **options)
        made.append(name)
        return name

    yield plant
    for name in made:
        del OPS[name]
        delattr(table, name)


def caught(name, reference, *shapes, match, **options):
    with pytest.raises(AssertionError, match=match):
        check_op(case(name, reference, *shapes, **options))


def test_a_right_op_passes(planted):
    check_op(
        case(planted("elementwise", lambda xp, g, x: 3 * g * x * x, kernel=lambda x: x**3), lambda x: x**3, (3, 4))
    )


def test_a_derivative_wrong_by_a_thousandth(planted):
    name = planted("elementwise", lambda xp, g, x: 3.003 * g * x * x, kernel=lambda x: x**3)
    caught(name, lambda x: x**3, (3, 4), match="gradient against finite differences")


def test_a_wrong_value(planted):
    name = planted("elementwise", lambda xp, g, x: g, kernel=lambda x: x * 1.0001)
    caught(name, lambda x: x, (3, 4), match="value")


def test_a_second_derivative_lost_in_a_saved_float(planted):
    """A rule that hides its dependence on x: right once, silently constant in second order."""
    held = {}

    def kernel(x):
        held["square"] = x * x
        return x**3

    name = planted("elementwise", lambda xp, g, x: 3 * g * held["square"], kernel=kernel)
    caught(name, lambda x: x**3, (3, 4), match="second derivative")


def test_a_wrong_kind(planted):
    name = planted("linear", lambda xp, g, x: 2 * g * x, kernel=lambda x: x * x, params=())
    caught(name, lambda x: x * x, (3, 4), match="jvp against vjp")


def test_float32_that_widens(planted):
    name = planted("elementwise", lambda xp, g: 2.0 * g, kernel=lambda x: x * np.float64(2.0))
    caught(name, lambda x: 2 * x, (3, 4), match="float32")


def test_a_gradient_of_another_dtype(planted):
    name = planted("elementwise", lambda xp, g, x: g * xp.cast(x * 0 + 2.0, float64), kernel=lambda x: 2 * x)
    from lucid import float64

    globals()["float64"] = float64
    caught(name, lambda x: 2 * x, (3, 4), match="gradient of a lucid.float32 input is lucid.float64")


def test_an_input_that_is_overwritten(planted):
    def kernel(x):
        x += 1
        return x - 1

    caught(planted("elementwise", lambda xp, g: g, kernel=kernel), lambda x: x, (3, 4), match="changed by the op")


def test_a_kernel_that_needs_contiguous_memory(planted):
    name = planted(
        "elementwise",
        lambda xp, g: 2 * g,
        kernel=lambda x: 2 * np.ndarray(x.shape, x.dtype, x.base if x.base is not None else x),
    )
    caught(name, lambda x: 2 * x, (3, 4), match="non-contiguous")


def test_a_shape_that_is_lost_for_scalars(planted):
    name = planted("elementwise", lambda xp, g: 2 * g, kernel=lambda x: 2 * np.atleast_1d(x))
    caught(name, lambda x: 2 * x, (3, 4), match="inputs of shape")


def test_a_reference_in_python_numbers_is_not_rounded(planted):
    name = planted("elementwise", lambda xp, g: g * (1.0 / 3.0), kernel=lambda x: x * (1.0 / 3.0))
    check_op(case(name, lambda x: (x / 3.0).tolist(), (3, 4)))
    caught(name, lambda x: (x / 3.0 + 1e-8).tolist(), (3, 4), match="value")


def test_a_complex_reference_of_a_real_op(planted):
    name = planted("elementwise", lambda xp, g: g, kernel=lambda x: x + 0.0)
    caught(name, lambda x: x + 1e-3j, (3, 4), match="value")

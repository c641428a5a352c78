"""Sobol' points against PyTorch's."""

from __future__ import annotations

import pytest

import lucid
from reference import needs_torch, torch

pytest.importorskip("scipy")
Engine = lucid.quasirandom.SobolEngine


@needs_torch
@pytest.mark.parametrize("dimension", [1, 3, 40])
def test_points_are_torchs(dimension):
    ours, theirs = Engine(dimension), torch.quasirandom.SobolEngine(dimension)
    for n in (1, 4, 10):
        assert ours.draw(n).tolist() == theirs.draw(n).tolist()
    assert (
        ours.fast_forward(5).draw(2, dtype=lucid.float64).tolist()
        == theirs.fast_forward(5).draw(2, dtype=torch.float64).tolist()
    )
    assert ours.reset().draw_base2(3).tolist() == theirs.reset().draw_base2(3).tolist()
    assert ours.num_generated == 8 and repr(ours) == repr(theirs)


def test_scrambled_points_are_even_and_repeat():
    points = Engine(2, scramble=True, seed=3).draw(64)
    assert points.equal(Engine(2, scramble=True, seed=3).draw(64)) and not points.equal(Engine(2).draw(64))
    assert lucid.histc(points[:, 0], 16, 0, 1).tolist() == [4] * 16 and points.min() >= 0 and points.max() < 1


def test_what_is_refused():
    for dimension in (0, Engine.MAXDIM + 1):
        with pytest.raises(ValueError, match="dimensionality"):
            Engine(dimension)
    engine = Engine(2)
    assert engine.draw(0).shape == (0, 2) and engine.draw(1, out=lucid.empty(0)).shape == (1, 2)
    with pytest.raises(ValueError, match="power of 2"):
        engine.draw_base2(2)

"""Three real programs (tests/architectures), one text each, run with torch and with lucid in torch's place.

The same weights, the same data: the losses of 20 steps agree to 1e-4, and so does what the trained model then says.
"""

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from reference import needs_torch

HERE = Path(__file__).parent / "architectures"


def program(name, library):
    """The program as a module; with lucid, only its import lines are another's."""
    text = (HERE / f"{name}.py").read_text(encoding="utf-8")
    if library != "torch":
        text = re.sub(r"^import torch$", f"import {library}\nimport {library} as torch", text, flags=re.M)
        text = re.sub(r"^(import|from) torch\b", rf"\1 {library}", text, flags=re.M)
    module = ModuleType(f"{name}_with_{library}")
    module.__dict__["__file__"] = str(HERE / f"{name}.py")
    code = compile(text, f"{name} with {library}", "exec", dont_inherit=True)
    import sys

    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(code, module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module


def losses(name, dtype, **sizes):
    """The losses of both, and what both say at the end."""
    import torch

    import lucid

    theirs, ours = program(name, "torch"), program(name, "lucid")
    torch.manual_seed(0)
    lucid.manual_seed(0)
    model, copy = theirs.build(**sizes).to(getattr(torch, dtype)), ours.build(**sizes).to(getattr(lucid, dtype))
    assert str(copy) == str(model)
    assert list(copy.state_dict()) == list(model.state_dict())
    copy.load_state_dict({k: v.numpy() for k, v in model.state_dict().items()})
    expected = theirs.train(model, np.random.default_rng(1), 20)
    found = ours.train(copy, np.random.default_rng(1), 20)
    assert expected[0][-1] < expected[0][0]  # it learns
    return found, expected


def agree(found, expected):
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-3)


@needs_torch
def test_gpt():
    agree(*losses("gpt", "float32"))


@needs_torch
def test_encoder_decoder():
    agree(*losses("translation", "float32"))


@needs_torch
def test_resnet18_narrow():
    """16 channels instead of 64, in float64: batch norm over few values makes 20 steps in float32 a matter of luck."""
    agree(*losses("resnet", "float64", width=16))


@needs_torch
@pytest.mark.slow
def test_resnet18():
    agree(*losses("resnet", "float64"))

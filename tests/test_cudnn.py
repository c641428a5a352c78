"""Convolution through cuDNN's frontend, on an imitation of it: values and gradients, plans, switches, and ways round."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.testing import strict
from reference import MISSING

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        bool(MISSING["strict tests"]) or not MISSING["CuPy tests"], reason=f"strict tests: {MISSING['strict tests']}"
    ),
]


@pytest.fixture(autouse=True)
def counters():
    with strict.installed(cudnn=True) as counters:
        yield counters


def frontend():
    from lucid.testing.strict import cudnn_frontend

    return cudnn_frontend


# sizes of image and filter, stride, padding, dilation, groups
CASES = {
    "1d": ((2, 4, 9), (6, 4, 3), 2, 1, 1, 1),
    "1d dilated groups": ((2, 4, 11), (6, 2, 3), 1, 2, 2, 2),
    "2d": ((2, 3, 7, 6), (5, 3, 3, 2), 1, 0, 1, 1),
    "2d strided": ((3, 4, 8, 9), (6, 4, 3, 3), (2, 3), (1, 2), 1, 1),
    "2d dilated": ((2, 4, 9, 9), (4, 2, 3, 2), 1, (2, 1), (2, 3), 2),
    "2d rows left over": ((1, 2, 8, 8), (3, 2, 3, 3), 3, 1, 1, 1),
    "2d same": ((2, 3, 7, 6), (4, 3, 4, 2), 1, "same", 1, 1),
    "3d": ((2, 3, 4, 5, 6), (4, 3, 2, 3, 2), (1, 2, 1), (1, 0, 1), 1, 1),
}


def convolved(name, device, kind="float32", layout=lambda x: x):
    size, filters, stride, padding, dilation, groups = CASES[name]
    rng = np.random.default_rng(0)
    x, w, b = (
        lucid.tensor(rng.standard_normal(s).astype(np.float32)).to(getattr(lucid, kind)).to(device).requires_grad_()
        for s in (size, filters, filters[:1])
    )
    conv = getattr(F, f"conv{len(size) - 2}d")
    y = conv(layout(x), w, b, stride, padding, dilation, groups)
    g = lucid.tensor(rng.standard_normal(tuple(y.shape)).astype(np.float32)).to(y.dtype).to(device)
    y.backward(layout(g))
    return [t.detach().float().cpu().numpy() for t in (y, x.grad, w.grad, b.grad)]


HALF = [(name, kind) for name in ("2d dilated", "3d") for kind in ("float16", "bfloat16")]


@pytest.mark.parametrize(("name", "kind"), [*((n, k) for n in CASES for k in ("float32", "float64")), *HALF])
def test_values_and_gradients(name, kind):
    tolerance = {"float16": 1e-2, "bfloat16": 8e-2}.get(kind, 1e-4)
    ours, expected = convolved(name, "cuda", kind), convolved(name, "cpu", kind)
    ran = [(graph.kind, graph.launches) for graph in frontend().built]
    assert ran == [("conv_fprop", 1), ("conv_dgrad", 1), ("conv_wgrad", 1)] or name == "2d same"
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * abs(b).max())


def test_arrays_in_another_order_are_laid_out_first():
    """The strides that cuDNN gets are those of the memory."""
    turned = lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2)  # noqa: E731
    for a, b in zip(convolved("2d", "cuda", layout=turned), convolved("2d", "cpu"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_transposed_convolution_and_second_derivatives():
    def run(device):
        rng = np.random.default_rng(1)
        x, w = (
            lucid.tensor(rng.standard_normal(s), device=device).requires_grad_() for s in ((2, 3, 5, 4), (3, 4, 3, 2))
        )
        y = F.conv_transpose2d(x, w, None, 2, 1, (1, 0))
        (gx,) = lucid.autograd.grad((y**2).sum(), x, create_graph=True)
        (gx**2).sum().backward()
        return [t.detach().cpu().numpy() for t in (y, gx, x.grad, w.grad)]

    for a, b in zip(run("cuda"), run("cpu"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    assert {g.kind for g in frontend().built} == {"conv_fprop", "conv_dgrad", "conv_wgrad"}


def test_a_plan_is_made_once_for_its_sizes():
    for _ in range(3):
        convolved("2d", "cuda")
    assert [g.launches for g in frontend().built] == [3, 3, 3]
    convolved("2d strided", "cuda")
    assert len(frontend().built) == 6
    with lucid.cuda.stream(lucid.cuda.Stream()):  # the handle follows the current stream
        convolved("2d", "cuda")
    assert [g.launches for g in frontend().built][:3] == [4, 4, 4]


def test_what_cudnn_has_no_plan_for_goes_round():
    frontend().refuse.append(lambda graph: graph.geometry["pre_padding"] != graph.geometry["post_padding"])
    frontend().refuse.append(lambda graph: graph.kind == "conv_wgrad")
    for name in CASES:
        for a, b in zip(convolved(name, "cuda"), convolved(name, "cpu"), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert {g.kind for g in frontend().built if g.launches} == {"conv_fprop", "conv_dgrad"}


def test_switches():
    cudnn = lucid.backends.cudnn
    notes = frontend().Note
    assert cudnn.is_available() and cudnn.version() == 91000
    convolved("2d", "cuda")
    assert all(g.deselected == [notes.TENSOR_CORE, notes.DOWN_CONVERT_INPUTS] for g in frontend().built)
    with cudnn.flags(enabled=True, deterministic=True, allow_tf32=True):
        convolved("2d", "cuda")
    assert all(g.deselected == [notes.NONDETERMINISTIC] for g in frontend().built[3:])
    count = len(frontend().built)
    with cudnn.flags(enabled=False):
        convolved("3d", "cuda")
    assert len(frontend().built) == count and cudnn.enabled


def test_it_waits_for_nothing_and_works_in_training(counters):
    x = lucid.randn(4, 3, 8, 8, device="cuda")
    model = lucid.nn.Sequential(lucid.nn.Conv2d(3, 5, 3, 2), lucid.nn.ReLU(), lucid.nn.Conv2d(5, 2, 2)).to("cuda")
    opt = lucid.optim.SGD(model.parameters(), lr=0.1)
    with strict.no_sync():
        for _ in range(2):
            opt.zero_grad()
            model(x).square().mean().backward()
            opt.step()
    assert len(frontend().built) == 5  # no gradient of the images was asked for


def test_without_the_package_nothing_changes():
    code = "import lucid; print(lucid.backends.cudnn.is_available(), lucid.backends.cudnn.version())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "None"] and importlib.util.find_spec("lucid.backends.cudnn_conv")

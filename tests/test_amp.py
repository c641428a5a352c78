"""Mixed precision: which op computes in what, and the scaler's steps, as in torch."""

import warnings

import numpy as np
import pytest

import lucid
from lucid import nn
from reference import needs_torch, torch


def ones(module):
    for p in module.parameters():
        p.data.fill_(0.25)
    return module.requires_grad_(False)


CASES = {
    "matmul": lambda t, a: a @ a,
    "add": lambda t, a: a + 1,
    "softmax": lambda t, a: a.softmax(1),
    "exp": lambda t, a: a.exp(),
    "prod": lambda t, a: a.prod(),
    "layer_norm": lambda t, a: t.nn.functional.layer_norm(a, (4,)),
    "cross_entropy": lambda t, a: t.nn.functional.cross_entropy(a, t.tensor([0, 1, 2, 3])),
    "mse": lambda t, a: t.nn.functional.mse_loss(a, a),
    "l1": lambda t, a: t.nn.functional.l1_loss(a, a),
    "smooth_l1": lambda t, a: t.nn.functional.smooth_l1_loss(a, a),
    "bce": lambda t, a: t.nn.functional.binary_cross_entropy(a, a),
    "bce_logits": lambda t, a: t.nn.functional.binary_cross_entropy_with_logits(a, a),
    "nll": lambda t, a: t.nn.functional.nll_loss(a, t.tensor([0, 1, 2, 3])),
    "kl": lambda t, a: t.nn.functional.kl_div(a, a, reduction="sum"),
    "cdist": lambda t, a: t.cdist(a, a),
    "linear": lambda t, a: t.nn.functional.linear(a, a),
    "conv": lambda t, a: t.nn.functional.conv1d(a[None], a[:, :, None]),
    "attention": lambda t, a: t.nn.functional.scaled_dot_product_attention(a[None], a[None], a[None]),
    "einsum": lambda t, a: t.einsum("ij,jk", a, a),
    "sum": lambda t, a: a.sum(),
    "gelu": lambda t, a: t.nn.functional.gelu(a),
    "addmm": lambda t, a: t.addmm(t.ones(4, 4), a, a.bfloat16()),
    "mixed": lambda t, a: t.einsum("ij,jk->ik", a @ a, t.ones(4, 4)) @ t.ones(4, 4),
    "bmm": lambda t, a: t.bmm((a @ a)[None], t.ones(1, 4, 4)),
    "conv_transpose": lambda t, a: t.nn.functional.linear(
        t.nn.functional.conv_transpose1d(a[None], t.ones(4, 2, 1))[0].T, t.ones(3, 2), t.ones(3)
    ),
    "inv": lambda t, a: t.linalg.inv(a),
    "cat": lambda t, a: t.cat([a, a]),
    "addbmm": lambda t, a: t.addbmm(a, a[None], a[None]),
    "prelu": lambda t, a: t.nn.functional.prelu(a, t.ones(1) / 2),
    "transposed_bias": lambda t, a: t.nn.functional.conv_transpose1d(a[None], t.ones(4, 2, 1), t.ones(2)),
    "batch_norm": lambda t, a: t.nn.functional.batch_norm(a, t.zeros(4), t.ones(4), t.ones(4), t.ones(4)),
    "layer_norm_affine": lambda t, a: t.nn.functional.layer_norm(a, (4,), t.ones(4), t.ones(4)),
    "gaussian": lambda t, a: t.nn.functional.gaussian_nll_loss(a, a, a + 1),
    "fft": lambda t, a: t.fft.rfft(a).abs(),
    "polar": lambda t, a: t.polar(a, a).real,
    "quantile": lambda t, a: t.quantile(a, 0.5),
    "trace": lambda t, a: t.trace(a),
    "avg_pool3d": lambda t, a: t.nn.functional.avg_pool3d(a[None, None, None], (1, 2, 2)),
    "grid_sample": lambda t, a: t.nn.functional.grid_sample(a[None, None], a.reshape(1, 2, 4, 2)),
    "reflect": lambda t, a: t.nn.functional.pad(a, (1, 1), mode="reflect"),
    "mv": lambda t, a: t.mv(a, a[0]),
    "matmul_vector": lambda t, a: a @ a[0],
    "dot": lambda t, a: t.dot(a[0], a[1]),
    "addmv": lambda t, a: t.addmv(a[0], a, a[0]),
    "inner": lambda t, a: t.inner(a[0], a[1]),
    "tensordot": lambda t, a: t.tensordot(a, a, 1),
    "tensordot_all": lambda t, a: t.tensordot(a, a, 2),
    "vecdot": lambda t, a: t.linalg.vecdot(a, a),
    "index_copy": lambda t, a: t.index_copy(a, 0, t.tensor([1]), t.ones(1, 4, dtype=t.bfloat16)),
    "gru_cell": lambda t, a: ones(t.nn.GRUCell(4, 4))(a),
    "lstm_cell": lambda t, a: ones(t.nn.LSTMCell(4, 4))(a)[1],
    "lstm": lambda t, a: ones(t.nn.LSTM(4, 4))(a)[1][1],
    "gru": lambda t, a: ones(t.nn.GRU(4, 4))(a)[0],
}


@needs_torch
@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("given", ["float32", "bfloat16", "float64"])
def test_dtypes_as_in_torch(name, given):
    x = np.random.default_rng(0).random((4, 4)) * 0.5 + 0.25 + np.eye(4) * 0.1

    def outcome(t):
        a = t.tensor(x).to(getattr(t, given))
        try:
            with t.autocast("cpu", dtype=t.bfloat16):
                y = CASES[name](t, a)
        except RuntimeError:  # float64 is not cast, and meets float32
            return "error", 0.0
        return str(y.dtype).split(".")[-1], np.asarray(y.double().numpy())

    (ours, y), (theirs, z) = outcome(lucid), outcome(torch)
    assert ours == theirs
    np.testing.assert_allclose(y, z, rtol=3e-2, atol=2e-2)


def test_nesting_decorating_and_asking():
    x = lucid.ones(2, 2)
    assert not lucid.is_autocast_enabled("cpu")
    with lucid.autocast("cpu", dtype=lucid.float16):
        assert lucid.is_autocast_enabled("cpu") and lucid.get_autocast_dtype("cpu") is lucid.float16
        with lucid.autocast("cpu", enabled=False):
            assert (x @ x).dtype is lucid.float32
        with lucid.autocast("cpu"):
            assert (x @ x).dtype is lucid.bfloat16
        assert (x @ x).dtype is lucid.float16
    assert (x @ x).dtype is lucid.float32

    @lucid.autocast("cpu")
    def f(a):
        return a @ a

    assert f(x).dtype is lucid.bfloat16
    with pytest.raises(RuntimeError, match="unknown device"):
        lucid.autocast("tpu")
    with pytest.warns(UserWarning, match="bfloat16 or float16"), lucid.autocast("cpu", dtype=lucid.float32):
        assert (x @ x).dtype is lucid.float32


@needs_torch
def test_training_as_in_torch():
    w = np.random.default_rng(1).standard_normal((8, 8)).astype("float32")

    def losses(t):
        torch_like = t
        model = torch_like.nn.Sequential(t.nn.Linear(8, 8), t.nn.ReLU(), t.nn.Linear(8, 8))
        with t.no_grad():
            for p in model.parameters():
                p.copy_(t.tensor(w if p.ndim == 2 else w[0]))
        opt = t.optim.SGD(model.parameters(), lr=0.01)
        out = []
        for _ in range(5):
            opt.zero_grad()
            with t.autocast(device_type="cpu", dtype=t.bfloat16):
                y = model(t.tensor(w))
                loss = t.nn.functional.mse_loss(y, t.tensor(w))
            loss.backward()
            assert all(p.grad.dtype == t.float32 for p in model.parameters())
            opt.step()
            out.append(loss.item())
        return out

    np.testing.assert_allclose(losses(lucid), losses(torch), rtol=2e-2)


@needs_torch
def test_scaler_as_in_torch():
    def run(t):
        w = t.ones(3, requires_grad=True)
        opt = t.optim.SGD([w], lr=0.1)
        scaler = t.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
        seen = []
        for factor in (1.0, 2.0, float("inf"), 1.0, 1.0, 1.0):
            opt.zero_grad()
            scaler.scale((w * factor).sum()).backward()
            if factor == 2.0:
                scaler.unscale_(opt)
                t.nn.utils.clip_grad_norm_([w], 1.0)
            scaler.step(opt)
            scaler.update()
            seen.append((scaler.get_scale(), w.tolist(), scaler.state_dict()["_growth_tracker"]))
        return seen, scaler.state_dict()

    (ours, state), (theirs, reference) = run(lucid), run(torch)
    for a, b in zip(ours, theirs, strict=True):
        assert a[0] == b[0] and a[2] == b[2]
        np.testing.assert_allclose(a[1], b[1], rtol=1e-6)
    assert state == reference
    fresh = lucid.amp.GradScaler("cpu")
    fresh.load_state_dict(reference)
    assert fresh.get_scale() == reference["scale"]


def test_scaler_refuses_what_torch_refuses():
    w = lucid.ones(1, requires_grad=True)
    opt, scaler = lucid.optim.SGD([w], lr=0.1), lucid.amp.GradScaler("cpu", init_scale=2.0)
    with pytest.raises(RuntimeError, match="No inf checks"):
        scaler.update()
    with pytest.raises(RuntimeError, match="no parameter"):
        scaler.step(opt)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(opt)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(opt)
    scaler.step(opt)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(opt)
    with pytest.raises(RuntimeError, match="empty"):
        scaler.load_state_dict({})
    assert nn.Linear(1, 1).weight.dtype is lucid.float32


def test_a_missing_device_disables_with_a_warning():
    if lucid.cuda.is_available():
        pytest.skip("CuPy tests: CUDA is here")
    with pytest.warns(UserWarning, match="Disabling"):
        scaler = lucid.amp.GradScaler()
    assert not scaler.is_enabled() and scaler.get_scale() == 1.0 and scaler.scale(3) == 3 and scaler.state_dict() == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lucid.amp.GradScaler(enabled=False)
    with pytest.warns(UserWarning, match="Disabling"), lucid.autocast("cuda"):
        assert (lucid.ones(1, 1) @ lucid.ones(1, 1)).dtype is lucid.float32


def test_custom_functions():
    class Product(lucid.autograd.Function):
        @staticmethod
        @lucid.amp.custom_fwd(device_type="cpu", cast_inputs=lucid.float32)
        def forward(ctx, a):
            ctx.save_for_backward(a)
            assert not lucid.is_autocast_enabled("cpu")
            return a @ a

        @staticmethod
        @lucid.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            return g @ a.T + a.T @ g

    a = lucid.eye(2, dtype=lucid.bfloat16).requires_grad_()
    with lucid.autocast("cpu"):
        y = Product.apply(a)
    assert y.dtype is lucid.float32
    y.sum().backward()
    assert a.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_older_names():
    from lucid.cuda.amp import GradScaler, autocast

    assert not GradScaler(enabled=False).is_enabled() and lucid.cuda.amp.autocast is autocast
    with autocast(enabled=False):
        assert (lucid.ones(1, 1) @ lucid.ones(1, 1)).dtype is lucid.float32

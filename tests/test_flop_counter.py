"""FlopCounterMode counts what PyTorch's does."""

import pytest

import lucid
from lucid.utils.flop_counter import FlopCounterMode
from reference import needs_torch, torch


def mlp(t):
    model = t.nn.Sequential(t.nn.Linear(8, 16), t.nn.ReLU(), t.nn.Linear(16, 4, bias=False))
    return lambda: model(t.randn(3, 8)).sum().backward()


def cnn(t):
    nn = t.nn
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, groups=2), nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2))
    )
    return lambda: model(t.randn(2, 4, 9, 9)).sum().backward()


def attention(t):
    q, k, v = (t.randn(2, 3, n, 8, requires_grad=True) for n in (5, 7, 7))
    return lambda: ((q @ k.transpose(-1, -2)).softmax(-1) @ v).sum().backward()


def second_order(t):
    x, w = t.randn(3, 4, requires_grad=True), t.randn(4, 5, requires_grad=True)

    def run():
        (g,) = t.autograd.grad((x @ w).square().sum(), x, create_graph=True)
        g.sum().backward()

    return run


def inference(t):
    model = t.nn.GRUCell(3, 4)
    with t.no_grad():
        return lambda: model(t.randn(2, 3))


# The totals are those of torch 2.13.
@pytest.mark.parametrize(
    "program, total",
    [(mlp, 2688), (cnn, 148176), (attention, 20160), (second_order, 720), (inference, 336)],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("counted", [lucid, pytest.param(torch, marks=needs_torch)], ids=["lucid", "torch"])
def test_totals(counted, program, total):
    mode = FlopCounterMode
    if counted is not lucid:
        from torch.utils.flop_counter import FlopCounterMode as mode
    run = program(counted)
    with mode(display=False) as counter:
        run()
    assert counter.get_total_flops() == total
    if program is cnn:
        counts = {name: {str(op): n for op, n in ops.items()} for name, ops in counter.get_flop_counts().items()}
        assert counts["Sequential.1.1"] == {"aten.convolution": 21168, "aten.convolution_backward": 63504}
        assert counts["Sequential.1"] == counts["Sequential.1.1"] and counts["Global"] == counts["Sequential"]


def test_fused_attention_counts_as_flash_attention():  # 2 products of 2 * 30 * 7 * 8 forward, 5 backward
    q, k, v = (lucid.randn(2, 3, n, 8, requires_grad=True) for n in (5, 7, 7))
    with FlopCounterMode(display=False) as counter:
        lucid.nn.functional.scaled_dot_product_attention(q, k, v).sum().backward()
    assert list(counter.get_flop_counts()["Global"].values()) == [2 * 3360, 5 * 3360]


def test_the_table_and_what_is_outside(capsys):
    layer = lucid.nn.Linear(2, 3)
    with FlopCounterMode(depth=1) as counter:
        out = layer(lucid.ones(4, 2))
    out.sum().backward()
    assert capsys.readouterr().out == (
        "Module          FLOP  % Total\n"
        "--------------  ----  -------\n"
        "Global            48  100.00%\n"
        " - aten.addmm     48  100.00%\n"
        " Linear           48  100.00%\n"
        "  - aten.addmm    48  100.00%\n"
    )
    layer(lucid.ones(4, 2))
    assert counter.get_total_flops() == 48
    with pytest.raises(RuntimeError), counter:
        layer(lucid.ones(4, 5))
    assert counter.get_total_flops() == 0 and not lucid.nn.modules.module._global_forward_hooks

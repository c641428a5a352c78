"""channels_last: what PyTorch's programs ask for and print about the order of images in memory."""

import pytest

import lucid
from reference import needs_torch, torch

OPS = {
    "relu": lambda L, x: L.relu(x),
    "add": lambda L, x: x + x,
    "clone": lambda L, x: x.clone(),
    "half": lambda L, x: x.half(),
    "empty_like": lambda L, x: L.empty_like(x),
    "contiguous": lambda L, x: x.contiguous(),
    "back": lambda L, x: x.to(memory_format=L.contiguous_format),
    "conv": lambda L, x: L.nn.Conv2d(8, 4, 3)(x),
    "depthwise": lambda L, x: L.nn.Conv2d(8, 8, 3, groups=8)(x),
    "transposed": lambda L, x: L.nn.ConvTranspose2d(8, 4, 3)(x),
    "batch_norm": lambda L, x: L.nn.BatchNorm2d(8)(x),
    "group_norm": lambda L, x: L.nn.GroupNorm(2, 8)(x),
    "max_pool": lambda L, x: L.nn.MaxPool2d(2)(x),
    "avg_pool": lambda L, x: L.nn.AvgPool2d(2)(x),
    "cat": lambda L, x: L.cat([x, x], 1),
}


def described(L, x):
    return tuple(x.stride()), x.is_contiguous(), x.is_contiguous(memory_format=L.channels_last)


@needs_torch
@pytest.mark.parametrize("name", OPS)
def test_the_format_goes_through(name):
    def result(L):
        x = L.arange(2.0 * 8 * 4 * 4).reshape(2, 8, 4, 4).to(memory_format=L.channels_last)
        return described(L, OPS[name](L, x))

    assert result(lucid) == result(torch)


def test_asking_for_a_format():
    x = lucid.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    y = x.contiguous(memory_format=lucid.channels_last)
    assert y.stride() == (60, 1, 15, 3) and y.equal(x) and not x.is_contiguous(memory_format=lucid.channels_last)
    assert y.to(memory_format=lucid.channels_last) is y and y.to(memory_format=lucid.preserve_format) is y
    assert lucid.empty(2, 3, 4, 5, memory_format=lucid.channels_last).stride() == y.stride()
    assert lucid.zeros_like(y, memory_format=lucid.contiguous_format).is_contiguous()
    assert x.clone(memory_format=lucid.channels_last).stride() == y.stride()
    volume = lucid.zeros(1, 2, 3, 4, 5).to(memory_format=lucid.channels_last_3d)
    assert volume.is_contiguous(memory_format=lucid.channels_last_3d)
    with pytest.raises(RuntimeError, match="rank 4"):
        lucid.zeros(2, 3).to(memory_format=lucid.channels_last)


def test_gradients_pass():
    x = lucid.randn(2, 3, 4, 4, requires_grad=True)
    y = x.to(memory_format=lucid.channels_last)
    y.sub_(1)  # a copy: x stays
    (y * y).sum().backward()
    lucid.testing.assert_close(x.grad, 2 * (x.detach() - 1))
    examples = lucid.func.vmap(lambda t: t.contiguous(memory_format=lucid.channels_last) * 2)(x.detach().unsqueeze(1))
    lucid.testing.assert_close(examples, 2 * x.detach().unsqueeze(1))

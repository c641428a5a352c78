"""A GPT and a CNN small enough for a test, with batches to train them on."""

import numpy as np

import lucid
import lucid.nn.functional as F
from lucid import nn


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (p.view(b, t, self.heads, -1).transpose(1, 2) for p in self.qkv(self.norm1(x)).split(c, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).contiguous().view(b, t, c))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary=11, width=16, length=8):
        super().__init__()
        self.token, self.place = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks, self.norm = nn.Sequential(Block(width, 2), Block(width, 2)), nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.token.weight

    def forward(self, ids):
        x = self.token(ids) + self.place(lucid.arange(ids.shape[1], device=ids.device))
        return self.head(self.norm(self.blocks(x))).flatten(0, 1)


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.GroupNorm(2, 8), nn.SiLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 11),
    )  # fmt: skip


def batches(kind, steps):
    """Inputs and targets, as NumPy arrays."""
    rng = np.random.default_rng(0)
    for _ in range(steps):
        if kind == "gpt":
            yield rng.integers(0, 11, (4, 8)), rng.integers(0, 11, 32)
        else:
            yield rng.standard_normal((6, 1, 8, 8), np.float32), rng.integers(0, 11, 6)


def trained(kind, device, steps=20, start=None):
    """The losses of a run, as device tensors, and the weights that it began with."""
    lucid.manual_seed(3)
    model = GPT() if kind == "gpt" else cnn()
    if start is not None:
        model.load_state_dict(start)
    start = {k: v.clone() for k, v in model.state_dict().items()}
    model.to(device)
    params = model.parameters()
    opt = lucid.optim.AdamW(params, lr=3e-3) if kind == "gpt" else lucid.optim.SGD(params, lr=0.05, momentum=0.9)
    losses = []
    for x, y in batches(kind, steps):
        loss = F.cross_entropy(model(lucid.tensor(x, device=device)), lucid.tensor(y, device=device))
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        losses.append(loss.detach())
    return losses, start

"""A training step on MLX: nothing waits for the device before the optimizer's one evaluation; and threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn
from lucid.backends import load
from reference import needs_mlx

pytestmark = [needs_mlx, pytest.mark.filterwarnings("ignore")]

rng = np.random.default_rng(0)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(16, 8), nn.Linear(8, 16)
        self.lstm = nn.LSTM(8, 8, num_layers=2, dropout=0.1, batch_first=True)

    def forward(self, ids):
        return self.out(self.lstm(self.embed(ids))[0]).flatten(0, 1)


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.places, self.out = nn.Embedding(16, 16), nn.Embedding(8, 16), nn.Linear(16, 16)
        self.block = nn.TransformerEncoderLayer(
            16, 2, 32, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(16)

    def forward(self, ids):
        length = ids.shape[1]
        h = self.tokens(ids) + self.places(lucid.arange(length, device=ids.device))
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=ids.device)
        h = self.block(h, src_mask=mask, is_causal=True)
        q = h.unflatten(-1, (2, 8)).transpose(1, 2)
        h = h + F.scaled_dot_product_attention(q, q, q, is_causal=True).transpose(1, 2).flatten(2)
        return self.out(self.norm(h)).flatten(0, 1)


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.SiLU(),
        nn.AvgPool2d(2), nn.GroupNorm(2, 8), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 16),
    )  # fmt: skip


def deep():
    """Of some 400 ops a step: more than may be pending."""
    return nn.Sequential(
        *(layer for _ in range(40) for layer in (nn.Linear(8, 8), nn.LayerNorm(8), nn.Tanh())), nn.Linear(8, 16)
    )


MODELS = {"mlp": mlp, "cnn": cnn, "gpt": GPT, "lstm": Tagger, "deep": deep}


def batch(name):
    """As a program gets it: from NumPy, then sliced."""
    if name in ("gpt", "lstm"):
        ids = lucid.tensor(rng.integers(0, 16, (3, 9)), device="mlx")
        return ids[:, :-1], ids[:, 1:].flatten()
    x = rng.standard_normal((6, 8) if name in ("mlp", "deep") else (6, 1, 12, 12)).astype(np.float32)
    return lucid.tensor(x, device="mlx"), lucid.tensor(rng.integers(0, 16, 6, np.uint8), device="mlx").long()


@pytest.fixture
def waits(monkeypatch):
    """Everything that waits for the device, by name."""
    load("mlx")
    import mlx.core as mx

    from lucid.backends import mlx_, mlx_host

    seen = []
    evaluate, download = mx.eval, mlx_.to_host
    monkeypatch.setattr(mx, "eval", lambda *a: (seen.append("eval"), evaluate(*a))[1])
    for module in (mlx_, mlx_host):
        monkeypatch.setattr(module, "to_host", lambda x: (seen.append("download"), download(x))[1])
    mlx_host.TRIPS.clear()
    return lambda: seen + sorted(mlx_host.TRIPS)


OPTIMIZERS = {
    "Adam": lambda p: lucid.optim.Adam(p, lr=1e-3),
    "AdamW": lambda p: lucid.optim.AdamW(p, lr=1e-3, amsgrad=True),
    "SGD": lambda p: lucid.optim.SGD(p, lr=1e-3, momentum=0.9, nesterov=True, weight_decay=0.1),
    "RMSprop": lambda p: lucid.optim.RMSprop(p, lr=1e-3, centered=True),
    "Lion": lambda p: lucid.optim.Lion(p, lr=1e-3),
}


@pytest.mark.parametrize(("name", "how"), [*((m, "Adam") for m in MODELS), *(("mlp", o) for o in OPTIMIZERS)])
def test_a_step_waits_once(waits, name, how):
    lucid.manual_seed(0)
    model = MODELS[name]().to("mlx")
    optimizer = OPTIMIZERS[how](model.parameters())
    losses, hits = [], 0
    for step in range(3):
        x, y = batch(name)
        before = len(waits())
        out = model(x)
        loss = F.cross_entropy(out, y, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
        hits = hits + (out.argmax(1) == y).sum()
        assert waits()[before:] == ["eval"], f"step {step}"
    assert np.isfinite([v.item() for v in losses]).all() and 0 <= hits.item() <= 3 * len(y)
    assert waits()[-1] == "download"  # the count sees what waits


def test_what_the_step_evaluates(waits):
    """The loss, parameters, state and running statistics have values after a step: looking at them computes nothing."""
    import mlx.core as mx

    model = cnn().to("mlx")
    optimizer = lucid.optim.Adam(model.parameters())
    x, y = batch("cnn")
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    state = [v for s in optimizer.state.values() for v in s.values() if isinstance(v, lucid.Tensor)]
    kept = [loss.detach(), *model.parameters(), *model.buffers(), *state]
    arrays = [t.value for t in kept if t.device.type == "mlx"]
    assert len(arrays) > 20
    for array in arrays:  # MLX writes an array without a value as a graph with operations
        text = graph(mx, array)
        assert "Multiply" not in text and "Add" not in text, text


def graph(mx, array):
    import io

    text = io.StringIO()
    mx.export_to_dot(text, array)
    return text.getvalue()


def test_what_waits_is_counted(waits):
    x = lucid.randn(4, 4, device="mlx")
    (x @ x.T + lucid.eye(4, device="mlx")).inverse()
    x[x > 0]
    assert {"inv", "nonzero"} & set(waits()) and "download" in waits()


# ---- indices are checked on the host where they come from there ----


def test_bounds_travel_with_indices(waits):
    table = lucid.randn(10, 3, device="mlx")
    ids = lucid.tensor(np.arange(10).reshape(2, 5), device="mlx")
    for k in (ids, ids[:, 1:], ids.T, ids.flatten(), ids.unsqueeze(0), ids.expand(3, 2, 5), ids.flip(0), ids.clone(), ids.int().long(),
              lucid.randint(0, 10, (4,), device="mlx"), lucid.randperm(10, device="mlx"), lucid.arange(10, device="mlx")):  # fmt: skip
        F.embedding(k, table)
        table[k]
    assert "bounds" not in waits()
    F.embedding(ids.clamp(max=5), table)  # nobody knows: looked at, once
    assert "bounds" in waits()


def test_bounds_that_travel_are_still_bounds():
    table = lucid.randn(10, 3, device="mlx")
    ids = lucid.tensor([0, 9, 10], device="mlx")
    for bad in (ids, ids.flip(0), lucid.randint(10, 12, (4,), device="mlx"), lucid.arange(11, device="mlx"), -ids - 1):
        with pytest.raises(IndexError):
            F.embedding(bad, table)
    F.embedding(ids[:2], table)  # the bounds of the whole are too wide for the part, which is then looked at
    ids[2] = 3
    F.embedding(ids, table)
    ids[0] = 77
    with pytest.raises(IndexError):
        F.embedding(ids, table)
    with pytest.raises(IndexError):
        F.embedding(lucid.tensor([200], dtype=lucid.uint8, device="mlx").to(lucid.int8).long() + 100, table)


def test_bounds_do_not_outlive_their_arrays():
    load("mlx")
    from lucid.backends.mlx_dtypes import BOUNDS

    before = len(BOUNDS)
    for i in range(100):
        lucid.tensor([i, 1], device="mlx")[1:]
    assert len(BOUNDS) <= before + 2


# ---- threads ----


def test_a_thread_that_computes_with_what_was_handed_over():
    x = lucid.ones(3, device="mlx") * 2
    load("mlx").hand_over()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda k: (x * k).exp().sum() / k, range(1, 9)))
    total = sum(found)
    np.testing.assert_allclose(total.item(), sum(3 * np.exp(2 * k) / k for k in range(1, 9)), rtol=1e-5)


def test_a_thread_that_gets_what_was_only_recorded():
    """MLX cannot: the error says what to do."""
    x = lucid.ones(3, device="mlx") * 2
    found = []

    def work():
        try:
            found.append((x + 1).tolist())
        except RuntimeError as problem:
            found.append(str(problem))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert found == [[3, 3, 3]] or "hand_over()" in found[0]
    assert (x + 1).tolist() == [3, 3, 3]


def test_training_in_a_thread_of_its_own():
    losses = []

    def work():
        model = mlp().to("mlx")
        optimizer = lucid.optim.Adam(model.parameters(), lr=0.01)
        x, y = batch("mlp")
        for _ in range(20):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(losses) == 40 and np.isfinite([v.item() for v in losses]).all()


def test_workers_that_read_what_the_main_thread_recorded():
    class Rows(lucid.utils.data.Dataset):
        def __init__(self):
            self.x = lucid.arange(12.0, device="mlx").reshape(6, 2) * 2  # recorded, not yet computed

        def __len__(self):
            return 6

        def __getitem__(self, i):
            return self.x[i] + 1

    rows = [b.tolist() for b in lucid.utils.data.DataLoader(Rows(), batch_size=3, num_workers=2)]
    assert np.array_equal(np.concatenate(rows), np.arange(12).reshape(6, 2) * 2 + 1)


# ---- random numbers ----


def test_random_streams(waits):
    """A seed and a state say what comes; nothing waits, and no two draws are alike."""
    g = lucid.Generator("mlx").manual_seed(5)
    first = lucid.rand(1000, generator=g, device="mlx")
    state = g.get_state()
    second = lucid.randn(1000, generator=g, device="mlx")
    wild = lucid.zeros(1000, device="mlx").exponential_(generator=g)
    assert waits() == [] or set(waits()) == {"download"}  # the state is a host tensor
    assert lucid.equal(first, lucid.rand(1000, generator=lucid.Generator("mlx").manual_seed(5), device="mlx"))
    assert lucid.equal(second, lucid.randn(1000, generator=g.set_state(state), device="mlx"))
    samples = np.stack([lucid.rand(500, generator=g, device="mlx").to("cpu").numpy() for _ in range(40)])
    assert np.abs(np.corrcoef(samples) - np.eye(40)).max() < 0.25  # 40 streams of 500: sigma 0.045
    assert abs(samples.mean() - 0.5) < 0.02
    assert wild.min().item() > 0 and abs(wild.mean().item() - 1) < 0.15

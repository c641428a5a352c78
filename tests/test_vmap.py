"""vmap against a loop, op by op: with the batch in front, elsewhere, in some of the arguments; and its manners."""

import warnings

import pytest

import lucid
from lucid import backends
from lucid.core.op import OPS
from lucid.func import batched as engine
from lucid.nn import functional as F

D = lucid.float64


def rand(*shape, seed=0):
    return lucid.rand(*shape, dtype=D, generator=lucid.Generator().manual_seed(seed)) + 0.1


def ints(high, *shape):
    return lucid.randint(0, high, shape, generator=lucid.Generator().manual_seed(1))


B = 3
lucid.manual_seed(0)
LSTM, GRU = lucid.nn.LSTM(3, 4).double(), lucid.nn.GRU(3, 4, bidirectional=True).double()
# What layers are made of must not fall back to a loop.
NO_LOOP = ["masked_scatter", "unfold", "index_add", "cumprod cummax", "lstsq", "lu", "linear", "conv", "layer_norm affine", "group_norm", "attention", "attention mask", "lstm", "gru", "vector_norm", "gelu",
           "max_pool", "cross_entropy"]  # fmt: skip
# name: (function, arguments with a batch of B in front)
CASES = {
    "add": (lambda x, y: x + y, (rand(B, 2, 4), rand(B, 4))),
    "where": (lambda x, y: lucid.where(x > y, x, y * 2), (rand(B, 4), rand(B, 2, 4, seed=3))),
    "compare": (lambda x, y: x < y, (rand(B, 4), rand(B, 2, 4, seed=3))),
    "matmul": (lambda x, y: x @ y, (rand(B, 2, 4), rand(B, 4, 3))),
    "matmul stacks": (lambda x, y: x @ y, (rand(B, 2, 4), rand(B, 5, 4, 3))),
    "matvec": (lambda x, y: x @ y, (rand(B, 2, 4), rand(B, 4))),
    "dot": (lambda x, y: x @ y, (rand(B, 4), rand(B, 4, seed=2))),
    "linear": (lambda x, w, b: F.linear(x, w, b), (rand(B, 5, 4), rand(B, 2, 4), rand(B, 2))),
    "sum": (lambda x: x.sum(), (rand(B, 2, 4),)),
    "sum of numbers": (lambda x: x.sum(), (rand(B),)),
    "sum keepdim": (lambda x: x.sum(keepdim=True), (rand(B, 2, 4),)),
    "mean dims": (lambda x: x.mean((0, -1), keepdim=True), (rand(B, 2, 3, 4),)),
    "amax": (lambda x: x.amax(-1), (rand(B, 2, 4),)),
    "max": (lambda x: x.max(0).values, (rand(B, 2, 4),)),
    "argmax": (lambda x: x.argmax(), (rand(B, 2, 4),)),
    "argmax dim": (lambda x: x.argmax(-1), (rand(B, 2, 4),)),
    "prod": (lambda x: x.prod(1), (rand(B, 2, 4),)),
    "std": (lambda x: x.std(0), (rand(B, 4),)),
    "logsumexp": (lambda x: x.logsumexp(0), (rand(B, 2, 4),)),
    "softmax": (lambda x: x.softmax(0), (rand(B, 2, 4),)),
    "log_softmax": (lambda x: x.log_softmax(-1), (rand(B, 2, 4),)),
    "cumsum": (lambda x: x.cumsum(0), (rand(B, 2, 4),)),
    "cumprod": (lambda x: x.cumprod(1), (rand(B, 2, 4),)),
    "sort": (lambda x: x.sort(0).values, (rand(B, 5, 2),)),
    "topk": (lambda x: x.topk(2).values, (rand(B, 5),)),
    "flip": (lambda x: x.flip(0, 1), (rand(B, 2, 4),)),
    "roll": (lambda x: x.roll(1, 0), (rand(B, 4, 2),)),
    "reshape": (lambda x: x.reshape(4, 2), (rand(B, 2, 4),)),
    "permute": (lambda x: x.permute(2, 0, 1), (rand(B, 2, 3, 4),)),
    "transpose": (lambda x: x.T, (rand(B, 2, 4),)),
    "expand": (lambda x: x.expand(3, 2, 4), (rand(B, 2, 1),)),
    "squeeze": (lambda x: x.squeeze().unsqueeze(-1), (rand(B, 1, 4),)),
    "cat": (lambda x, y: lucid.cat([x, y], 1), (rand(B, 2, 4), rand(B, 2, 1))),
    "stack": (lambda x, y: lucid.stack([x, y], -1), (rand(B, 4), rand(B, 4, seed=1))),
    "split": (lambda x: x.split(2, 1)[1], (rand(B, 2, 4),)),
    "slice": (lambda x: x[1:, ::2], (rand(B, 3, 4),)),
    "newaxis": (lambda x: x[None, 1, ..., :2], (rand(B, 3, 2, 4),)),
    "index list": (lambda x: x[[1, 0, 0]], (rand(B, 3, 4),)),
    "index second": (lambda x: x[:, [1, 0, 0]], (rand(B, 3, 4),)),
    "index apart": (lambda x: x[[1, 0], :, [0, 2]], (rand(B, 3, 2, 4),)),
    "index by batch": (lambda x, i: x[i], (rand(B, 3, 4), ints(3, B, 2))),
    "index by batch second": (lambda x, i: x[:, i], (rand(B, 3, 4), ints(4, B, 2, 2))),
    "index by batch apart": (lambda x, i, j: x[i, :, j], (rand(B, 3, 2, 4), ints(3, B, 2), ints(4, B, 2))),
    "gather": (lambda x, i: x.gather(1, i), (rand(B, 3, 4), ints(4, B, 3, 2))),
    "scatter_add": (lambda x, i, s: x.scatter_add(0, i, s), (rand(B, 3, 4), ints(3, B, 2, 4), rand(B, 2, 4))),
    "scatter": (lambda x, s: x.scatter(0, lucid.tensor([[0, 1, 2, 0]]), s), (rand(B, 3, 4), rand(B, 1, 4))),
    "index_put": (lambda x, v: _put(x, v), (rand(B, 3, 4), rand(B, 4))),
    "setitem": (lambda x, v: _set(x, v), (rand(B, 3, 4), rand(B, 2))),
    "tril": (lambda x: x.tril(1), (rand(B, 3, 3),)),
    "inv": (lambda x: lucid.linalg.inv(x @ x.T + lucid.eye(3, dtype=D)), (rand(B, 3, 3),)),
    "det": (lambda x: lucid.linalg.det(x), (rand(B, 3, 3),)),
    "solve": (lambda x, y: lucid.linalg.solve(x + 3 * lucid.eye(3, dtype=D), y), (rand(B, 3, 3), rand(B, 3, 2))),
    "cholesky": (lambda x: lucid.linalg.cholesky(x @ x.T + lucid.eye(3, dtype=D)), (rand(B, 3, 3),)),
    "einsum": (lambda x, y: lucid.einsum("ij,jk->ki", x, y), (rand(B, 2, 4), rand(B, 4, 3))),
    "conv": (lambda x, w, b: F.conv2d(x, w, b, padding=1), (rand(B, 2, 2, 5, 5), rand(B, 3, 2, 3, 3), rand(B, 3))),
    "conv groups": (lambda x, w: F.conv1d(x, w, groups=2, stride=2), (rand(B, 2, 4, 6), rand(B, 6, 2, 3))),
    "max_pool": (lambda x: F.max_pool2d(x, 2), (rand(B, 2, 2, 4, 4),)),
    "avg_pool": (lambda x: F.avg_pool2d(x, 2), (rand(B, 2, 2, 4, 4),)),
    "cross_entropy": (lambda x, t: F.cross_entropy(x, t), (rand(B, 5, 4), ints(4, B, 5))),
    "layer_norm": (lambda x: F.layer_norm(x, (4,)), (rand(B, 2, 4),)),
    "layer_norm affine": (lambda x, w, b: F.layer_norm(x, (4,), w, b), (rand(B, 2, 4), rand(B, 4), rand(B, 4, seed=2))),
    "group_norm": (lambda x, w: F.group_norm(x, 2, w), (rand(B, 2, 4, 3), rand(B, 4))),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        (rand(B, 2, 3, 4), rand(B, 2, 3, 4, seed=2), rand(B, 2, 3, 4, seed=3)),
    ),
    "attention mask": (
        lambda q, m: F.scaled_dot_product_attention(q, q, q, attn_mask=m),
        (rand(B, 2, 3, 4), rand(B, 3, 3, seed=2)),
    ),
    "lstm": (lambda x: LSTM(x)[0], (rand(B, 5, 2, 3),)),
    "gru": (lambda x: GRU(x)[0], (rand(B, 5, 2, 3),)),
    "vector_norm": (lambda x: lucid.linalg.vector_norm(x, 3, dim=-1, keepdim=True) + x.norm(), (rand(B, 2, 4),)),
    "gelu": (lambda x: F.gelu(x) + F.relu(x - 0.5), (rand(B, 2, 4),)),
    "diagonal": (lambda x: x.diagonal(), (rand(B, 3, 3),)),
    "masked_scatter": (
        lambda x, m, s: x.masked_scatter(m > 0.6, s),
        (rand(B, 2, 4), rand(B, 2, 4, seed=2), rand(B, 9)),
    ),
    "searchsorted": (lambda x, v: lucid.searchsorted(x.sort().values, v), (rand(B, 5), rand(B, 2, 3, seed=2))),
    "searchsorted rows": (lambda x, v: lucid.searchsorted(x.sort().values, v), (rand(B, 2, 5), rand(B, 2, 3, seed=2))),
    "unfold": (lambda x: x.unfold(0, 3, 2), (rand(B, 7, 2),)),
    "scatter_reduce": (
        lambda x, i, s: x.scatter_reduce(0, i, s, "prod"),
        (rand(B, 3, 4), ints(3, B, 2, 4), rand(B, 2, 4)),
    ),
    "index_add": (lambda x, i, s: x.index_add(1, i, s), (rand(B, 3, 4), ints(4, B, 2), rand(B, 3, 2))),
    "index_fill": (lambda x, i, v: x.index_fill(1, i, v), (rand(B, 3, 4), ints(4, B, 2), rand(B))),
    "take": (lambda x, i: x.take(i), (rand(B, 3, 4), ints(12, B, 2))),
    "cumprod cummax": (lambda x: x.cumprod(0) + x.cummax(0).values, (rand(B, 3, 2),)),
    "lstsq": (lambda x, y: lucid.linalg.lstsq(x, y).solution, (rand(B, 4, 3), rand(B, 4, 2, seed=2))),
    "lu": (lambda x: lucid.linalg.lu(x)[2], (rand(B, 3, 3),)),
    "var of all": (lambda x: x.var() + x[0, 0].norm() + x.count_nonzero(), (rand(B, 2, 4),)),
    "var of a number": (lambda x: x.var(correction=0) + x.sum(), (rand(B),)),
    "quantile": (lambda x, q: x.quantile(q / 2), (rand(B, 5), rand(B, seed=2))),
    "ctc": (lambda x, t: F.ctc_loss(x.log_softmax(2), t + 1, [5, 5], [2, 1]), (rand(B, 5, 2, 4), ints(3, B, 2, 2))),
    # by a loop over examples
    "histc": (lambda x: lucid.histc(x, 4), (rand(B, 9),)),
    "bincount": (lambda i: lucid.bincount(i, minlength=5), (ints(4, B, 6),)),
    "histogram": (lambda x: lucid.histogram(x, 3).bin_edges, (rand(B, 9),)),
    "linspace": (lambda a, b: lucid.linspace(a, b, 4, dtype=D), (rand(B), rand(B, seed=2))),
    "chebyshev": (lambda x, n: lucid.special.chebyshev_polynomial_t(x, n), (rand(B, 4), ints(5, B, 4))),
    "nonzero_static": (lambda x: lucid.nonzero_static(x > 0.6, size=3), (rand(B, 2, 4),)),
    "repeat_interleave": (
        lambda x, r: x.repeat_interleave(r.sort().values, 0),
        (rand(B, 2, 3), lucid.tensor([[1, 2], [2, 1], [1, 2]])),
    ),
}


def _put(x, v):
    y = x.clone()
    y[[0, 2]] = v
    return y


def _set(x, v):
    y = x.clone()
    y[1:, 2] = v
    y[:, 0].mul_(2)
    return y


def loop(f, args, mapped):
    parts = [f(*(a[b] if m else a for a, m in zip(args, mapped, strict=True))) for b in range(B)]
    return lucid.stack(parts)


def patterns(count):
    """All arguments mapped; each one alone; each one shared."""
    yield (True,) * count
    if count > 1:
        for k in range(count):
            yield tuple(i == k for i in range(count))
            yield tuple(i != k for i in range(count))


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("name", CASES)
def test_like_a_loop(name):
    f, args = CASES[name]
    for mapped in set(patterns(len(args))):
        own = [a if m else a[0] for a, m in zip(args, mapped, strict=True)]
        expected = loop(f, own, mapped)
        got = lucid.vmap(f, tuple(0 if m else None for m in mapped))(*own)
        assert got.shape == expected.shape, mapped
        assert got.dtype is expected.dtype
        assert lucid.allclose(got.to(D), expected.to(D), 1e-10, 1e-12), mapped


@pytest.mark.parametrize("name", NO_LOOP)
def test_layers_have_batching_rules(name):
    f, args = CASES[name]
    engine._warned.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lucid.vmap(f)(*args)
        lucid.vmap(lambda *a: lucid.func.grad(lambda x: f(x, *a[1:]).sum())(a[0]))(*args)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("name", [n for n, (_, args) in CASES.items() if args[0].dtype is D])
def test_gradients_per_example(name):
    f, args = CASES[name]

    def loss(x, *rest):
        out = f(x, *rest)
        return out.sin().sum() if out.dtype is D else x.sum() * 0

    got = lucid.vmap(lucid.func.grad(loss))(*args)
    expected = lucid.stack([lucid.func.grad(loss)(*(a[b] for a in args)) for b in range(B)])
    assert lucid.allclose(got, expected, 1e-9, 1e-11)


@pytest.mark.parametrize(("in_dims", "out_dims"), [(0, 0), (1, 0), (-1, 1), ((1,), -1), ((2,), 2)])
def test_dims(in_dims, out_dims):
    x = rand(3, 3, 3)
    d = in_dims[0] if isinstance(in_dims, tuple) else in_dims
    expected = lucid.stack([v.sin() * 2 for v in x.unbind(d)], out_dims)
    assert lucid.allclose(lucid.vmap(lambda v: v.sin() * 2, in_dims, out_dims)(x), expected)


def test_pytrees_constants_and_chunks():
    def f(p, k):
        return {"a": p["x"] + p["y"][0] * k, "b": [lucid.ones(2)]}

    tree = {"x": rand(5, 2), "y": [rand(2)]}
    out = lucid.vmap(f, ({"x": 0, "y": None}, None))(tree, 2)
    assert out["a"].shape == (5, 2)
    assert out["b"][0].shape == (5, 2)  # the same for every example, and there for each
    chunked = lucid.vmap(f, ({"x": 0, "y": None}, None), chunk_size=2)(tree, 2)
    assert lucid.equal(chunked["a"], out["a"])
    assert chunked["b"][0].shape == (5, 2)


def test_randomness():
    x = lucid.zeros(4, 3)
    with pytest.raises(RuntimeError, match="randomness"):
        lucid.vmap(lambda v: v + lucid.rand(3))(x)
    same = lucid.vmap(lambda v: v + lucid.rand(3), randomness="same")(x)
    different = lucid.vmap(lambda v: v + lucid.rand(3), randomness="different")(x)
    assert lucid.equal(same[0], same[3])
    assert not lucid.equal(different[0], different[3])
    order = lucid.vmap(lambda v: lucid.randperm(6), randomness="different")(x)
    assert order.sort(1).values.tolist() == [list(range(6))] * 4
    chunked = lucid.vmap(lambda v: v + lucid.rand(3), randomness="same", chunk_size=1)(x)
    assert lucid.equal(chunked[0], chunked[3])
    dropped = lucid.vmap(lambda v: F.dropout(v + 1, 0.5), randomness="different")(lucid.zeros(3, 50))
    assert not lucid.equal(dropped[0], dropped[1])


def test_a_fallback_warns_once_and_names_the_op():
    name = "test_vmap_of_my_own"
    kernel = lucid.autograd.other(name, lambda xp, g: g * 3)
    table = backends.load("cpu").table
    setattr(table, name, lambda x: x * 3)
    try:
        x = rand(B, 2)
        with pytest.warns(UserWarning, match=name):
            assert lucid.allclose(lucid.vmap(kernel)(x), x * 3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lucid.vmap(kernel)(x)
    finally:  # the registry is the whole process's
        engine._warned.discard(name)
        delattr(table, name)
        del OPS[name]


ERRORS = {
    "sizes differ": (ValueError, lambda: lucid.vmap(lambda a, b: a + b)(lucid.ones(2), lucid.ones(3))),
    "nothing mapped": (ValueError, lambda: lucid.vmap(lambda a: a, None)(lucid.ones(2))),
    "all None": (ValueError, lambda: lucid.vmap(lambda a: a, (None,))(lucid.ones(2))),
    "a number mapped": (ValueError, lambda: lucid.vmap(lambda a: a)(2.0)),
    "dim out of range": (ValueError, lambda: lucid.vmap(lambda a: a, 1)(lucid.ones(2))),
    "no inputs": (ValueError, lambda: lucid.vmap(lambda: 1)()),
    "returns a number": (ValueError, lambda: lucid.vmap(lambda a: 1)(lucid.ones(2))),
    "bad randomness": (RuntimeError, lambda: lucid.vmap(lambda a: a, randomness="some")),
    "item": (RuntimeError, lambda: lucid.vmap(lambda a: a.item())(lucid.ones(2))),
    "control flow": (RuntimeError, lambda: lucid.vmap(lambda a: a if a > 0 else -a)(lucid.ones(2))),
    "mask": (RuntimeError, lambda: lucid.vmap(lambda a: a[a > 0])(lucid.ones(2, 3))),
    "nonzero": (RuntimeError, lambda: lucid.vmap(lambda a: a.nonzero())(lucid.ones(2, 3))),
    "unique": (RuntimeError, lambda: lucid.vmap(lambda a: a.unique())(lucid.ones(2, 3))),
    "bincount": (RuntimeError, lambda: lucid.vmap(lucid.bincount)(lucid.tensor([[1, 1], [1, 2]]))),
    "same numbers by different rates": (
        RuntimeError,
        lambda: lucid.vmap(lucid.poisson, randomness="same")(lucid.ones(2, 3)),
    ),
    "in_dims in a list": (ValueError, lambda: lucid.vmap(lambda a: a, [0])(lucid.ones(2))),
    "in_dims of another structure": (ValueError, lambda: lucid.vmap(lambda a: a[0], ((0,),))([lucid.ones(2)])),
    "in_dims no int": (ValueError, lambda: lucid.vmap(lambda a: a, (0.5,))(lucid.ones(2))),
    "out_dims of another structure": (ValueError, lambda: lucid.vmap(lambda a: a, out_dims=(0, 0))(lucid.ones(2))),
    "out_dims a word": (ValueError, lambda: lucid.vmap(lambda a: a, out_dims="x")(lucid.ones(2))),
    "out_dims out of range": (IndexError, lambda: lucid.vmap(lambda a: a, out_dims=1)(lucid.ones(2))),
    "numpy": (RuntimeError, lambda: lucid.vmap(lambda a: a.numpy())(lucid.ones(2))),
    "out_dims None": (ValueError, lambda: lucid.vmap(lambda a: a, out_dims=None)(lucid.ones(2))),
    "chunk": (ValueError, lambda: lucid.vmap(lambda a: a, chunk_size=0)),
}


@pytest.mark.parametrize("case", ERRORS)
def test_bad_input(case):
    kind, call = ERRORS[case]
    with pytest.raises(kind):
        call()


def test_a_returned_input_that_was_written_to_shares_its_memory():
    x = lucid.ones(2, 3)
    assert lucid.vmap(lambda a: a.mul_(2))(x) is x
    y = lucid.vmap(lambda a: a.mul_(2), in_dims=1)(x)
    y.add_(1)
    assert x.tolist() == [[5.0] * 3] * 2


def test_anomalies_inside():
    with lucid.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="SqrtBackward0"):
        lucid.vmap(lucid.func.grad(lambda a: a.sqrt()))(-lucid.ones(3))


def test_what_is_no_tensor_may_leave_where_out_dims_is_none():
    out = lucid.vmap(lambda a: (a, "same", {"n": a.ndim}), out_dims=(0, None, None))(lucid.ones(2, 3))
    assert out[1:] == ("same", {"n": 1})


def test_embeddings_whose_rows_or_bags_differ():
    w = lucid.arange(8.0).reshape(2, 4, 1)
    i = lucid.tensor([[0, 1, 1], [2, 3, 3]])
    assert lucid.vmap(lambda w, i: F.embedding(i, w, max_norm=1.0))(w, i).round().flatten().tolist() == [
        0,
        1,
        1,
        1,
        1,
        1,
    ]
    assert w.round().flatten().tolist() == [0, 1, 2, 3, 4, 5, 1, 1]  # in place, and only what was looked up
    w = lucid.arange(8.0).reshape(2, 4, 1)
    for mode, expected in {"sum": [0, 20], "mean": [0, 20 / 3], "max": [0, 7]}.items():
        out = lucid.vmap(lambda w, i, m=mode: F.embedding_bag(i[None], w, mode=m, padding_idx=1))(w, i)
        assert out.flatten().tolist() == pytest.approx(expected)


def test_tolerances_that_differ():
    a, r = rand(4, 4), lucid.tensor([0.01, 0.5], dtype=D)
    out = lucid.vmap(lambda r: lucid.linalg.pinv(a, rtol=r))(r)
    assert all(lucid.allclose(o, lucid.linalg.pinv(a, rtol=t)) for o, t in zip(out, r, strict=True))


def test_indices_of_an_outer_batch():
    x, i = rand(B, 3, 4), ints(4, B, 2)

    def inner(row, j):  # the index differs along the outer batch alone
        tangent = lucid.func.jvp(lambda t: t[j].sin(), (row,), (row * 2,))[1]
        return tangent + lucid.vmap(lambda r: r[j] * 2)(lucid.stack([row, row]))[1]

    def forward(j):  # the row and its tangent belong to no batch
        return lucid.func.jvp(lambda t: t[j], (x[0, 0],), (x[1, 0],))[1]

    assert lucid.equal(lucid.vmap(forward)(i), x[1, 0][i])
    out = lucid.vmap(inner)(x[:, 0], i)
    rows = lucid.stack([x[b, 0][i[b]] for b in range(B)])
    assert lucid.allclose(out, rows.cos() * rows * 2 + rows * 2)


def test_rates_that_differ_along_the_batch():
    drawn = lucid.vmap(lucid.poisson, randomness="different")(lucid.tensor([[0.0, 0.0], [50.0, 50.0]]))
    assert drawn[0].tolist() == [0.0, 0.0]
    assert bool((drawn[1] > 5).all())


def test_an_input_of_the_outer_graph_stays_in_it():
    w = lucid.tensor([1.0, 2.0], requires_grad=True)
    x = lucid.tensor([[1.0, 2.0], [3.0, 4.0]])
    lucid.vmap(lambda v: (v * w).sum() ** 2)(x).sum().backward()
    u = w.detach().requires_grad_()
    ((x * u).sum(1) ** 2).sum().backward()
    assert lucid.allclose(w.grad, u.grad)

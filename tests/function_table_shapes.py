"""What functions of shape, indices, products and Fourier transforms take: one row per function, as in ``function_table``."""

import itertools
import math

import numpy as np

from drawing import ANY, NUMBERS, ROWS, In, call, pair, row, rows

# ---- shape ----
rows("flatten", lambda d: (lambda x: call(x, d.dim(x.array.ndim), -1))(d.tensor(dtype=ANY)))
rows("ravel squeeze t_ravel fliplr flipud", lambda d: call(d.tensor(dtype=ANY)))
ROWS.pop("t_ravel")
rows("t", lambda d: call(d.tensor(d.shape(0, 2))))
rows("transpose swapaxes", lambda d: (lambda x: call(x, d.dim(x.array.ndim), d.dim(x.array.ndim)))(d.tensor(dtype=ANY)))
rows("permute", lambda d: (lambda x: call(x, tuple(int(i) for i in d.rng.permutation(x.array.ndim))))(d.tensor()))
rows("movedim", lambda d: (lambda x: call(x, d.dim(x.array.ndim), d.dim(x.array.ndim)))(d.tensor(d.shape(1, 3))))
rows("unsqueeze", lambda d: (lambda x: call(x, d.dim(x.array.ndim + 1)))(d.tensor()))
rows("unbind", lambda d: (lambda x: call(x, d.dim(x.array.ndim)))(d.tensor(d.shape(0, 3))))
rows(
    "reshape",
    lambda d: (lambda x: call(x, d.pick((-1,), (1, -1), x.array.shape[::-1])))(d.tensor(d.shape(0, 3, False))),
)
rows("broadcast_to", lambda d: (lambda s: call(d.tensor(d.broadcast(s)), s))(d.shape()))
rows("flip", lambda d: (lambda x: call(x, tuple(range(-x.array.ndim, 0))[: d.int(0, x.array.ndim)]))(d.tensor()))
rows("rot90", lambda d: call(d.tensor(d.shape(2, 3)), d.int(-3, 5), (0, 1)))
rows(
    "roll",
    lambda d: (lambda x: d.pick(call(x, d.int(-3, 3)), call(x, d.int(-3, 3), d.int(-x.array.ndim, -1))))(
        d.tensor(d.shape(1, 3))
    ),
)
rows("tile", lambda d: call(d.tensor(), d.pick((2,), (1, 3), (2, 1, 2), ())))
rows(
    "repeat_interleave",
    lambda d: (lambda x: call(x, d.int(0, 3), d.pick(None, d.dim(x.array.ndim))))(d.tensor(d.shape(1, 3))),
)
rows("chunk tensor_split", lambda d: (lambda x: call(x, d.int(1, 4), d.dim(x.array.ndim)))(d.tensor(d.shape(1, 3))))
rows("split", lambda d: (lambda x: call(x, d.int(1, 3), d.dim(x.array.ndim)))(d.tensor(d.shape(1, 3))))
rows("narrow", lambda d: (lambda x: call(x, d.dim(x.array.ndim), d.int(0, 1), d.int(0, 2)))(d.tensor(d.shape(1, 3))))
rows("select", lambda d: (lambda x: call(x, d.dim(x.array.ndim), d.int(-2, 1)))(d.tensor(d.shape(1, 3))))
rows("unflatten", lambda d: call(d.tensor((2, 6)), d.pick(1, -1), d.pick((2, 3), (-1, 2), (4, 2))))
rows("cat concat", lambda d: (lambda x: call([x, x, x], d.dim(x.array.ndim)))(d.tensor(d.shape(1, 3), dtype=ANY)))
rows("stack", lambda d: (lambda x: call([x, x], d.dim(x.array.ndim + 1)))(d.tensor(dtype=ANY)))
rows("hstack vstack dstack column_stack", lambda d: (lambda s: call([d.tensor(s), d.tensor(s)]))(d.shape(0, 3)))
rows("block_diag", lambda d: call(d.tensor(d.shape(0, 2, False)), d.tensor(d.shape(0, 2, False))))
rows("cartesian_prod", lambda d: call(d.tensor((d.int(0, 3),), "float64"), d.tensor((d.int(0, 3),), "float64")))
rows("broadcast_tensors", lambda d: call(*pair(d)))
rows("atleast_1d atleast_2d atleast_3d", lambda d: call(d.tensor()))
rows(
    "meshgrid",
    lambda d: call(
        d.tensor((d.int(0, 3),), "float64"), d.tensor((d.int(0, 3),), "float64"), indexing=d.pick("ij", "xy")
    ),
)
rows("hsplit", lambda d: call(d.tensor((2, 6)), d.pick(2, 3, 4, (1, 3))))
rows("vsplit", lambda d: call(d.tensor((4, 3)), d.pick(2, 3, (1, 2))))
rows("diagonal", lambda d: call(d.tensor(d.shape(2, 3)), d.int(-2, 2)))
rows("diag diagflat", lambda d: call(d.tensor(d.shape(1, 2)), d.int(-2, 2)))
rows("diag_embed", lambda d: call(d.tensor(d.shape(1, 2)), d.int(-1, 1)))
rows("tril triu", lambda d: call(d.tensor(d.shape(2, 3), ANY), d.int(-2, 2)))
rows("trace", lambda d: call(d.tensor(d.shape(2, 2), NUMBERS)))
rows("view_as_real resolve_conj", lambda d: call(d.tensor(dtype="complex128")))

# ---- indices ----


@row("gather", "take_along_dim")
def _(d):
    x = d.tensor(d.shape(1, 3, False), "float64")
    dim = d.int(-x.array.ndim, x.array.ndim - 1)
    shape = list(x.array.shape)
    shape[dim] = d.int(1, 3)
    index = d.index(shape, x.array.shape[dim])
    return (x, dim, index), {}


ROWS["take_along_dim"] = lambda d: (lambda a: call(a[0], a[2], a[1]))(ROWS["gather"](d)[0])
rows(
    "index_select",
    lambda d: (lambda x: call(x, 0, d.index((d.int(0, 4),), x.array.shape[0])))(d.tensor(d.shape(1, 3, False))),
)
rows("take", lambda d: (lambda x: call(x, d.index(d.shape(), x.array.size)))(d.tensor(d.shape(1, 3, False))))
rows("masked_select", lambda d: (lambda x: call(x, d.tensor(d.broadcast(x.array.shape), "bool")))(d.tensor()))
rows(
    "masked_fill",
    lambda d: (lambda x: call(x, d.tensor(d.broadcast(x.array.shape), "bool"), d.pick(0, 1.5)))(d.tensor()),
)


@row("scatter", "scatter_add")
def _(d):
    x = d.tensor(d.shape(1, 2, False), "float64")
    shape = [d.int(1, n) for n in x.array.shape]
    index = np.argsort(d.rng.random((*shape[1:], x.array.shape[0])), -1)[..., : shape[0]]
    return call(x, 0, In(np.ascontiguousarray(np.moveaxis(index, -1, 0)), False), d.tensor(shape, "float64"))


@row("scatter_reduce")
def _(d):
    (x, dim, index, src), _ = ROWS["scatter"](d)
    return call(x, dim, index, src, d.pick("sum", "prod", "mean", "amax"), include_self=d.flag())


@row("index_add", "index_copy")
def _(d):
    x = d.tensor(d.shape(1, 3, False), "float64")
    count = d.int(0, x.array.shape[0])
    order = In(d.rng.permutation(x.array.shape[0])[:count], False)
    return call(x, 0, order, d.tensor((count, *x.array.shape[1:]), "float64"))


rows(
    "index_fill",
    lambda d: (lambda x: call(x, 0, d.index((d.int(1, 4),), x.array.shape[0]), d.pick(0.5, 2)))(
        d.tensor(d.shape(1, 3, False), "float64")
    ),
)

# ---- products ----
SMALL = {"low": -1.5, "high": 1.5}


def _matrices(d, *chain, batch=()):
    return [d.tensor((*batch, a, b), "float64") for a, b in itertools.pairwise(chain)]


@row("matmul")
def _(d):
    n, m, k = d.int(0, 3), d.int(0, 3), d.int(0, 3)
    left, right = d.pick(
        ((n, m), (m, k)),
        ((m,), (m, k)),
        ((n, m), (m,)),
        ((2, n, m), (m, k)),
        ((2, 1, n, m), (3, m, k)),
        ((n, m), (m + 1, k)),
    )
    return call(d.tensor(left, "float64"), d.tensor(right, "float64"))


rows("mm", lambda d: call(*_matrices(d, d.int(0, 3), d.int(0, 3), 2)))
rows("bmm", lambda d: call(*_matrices(d, d.int(0, 3), d.int(0, 3), 2, batch=(d.int(0, 2),))))
rows(
    "mv",
    lambda d: (lambda n, m: call(d.tensor((n, m), "float64"), d.tensor((m,), "float64")))(d.int(0, 3), d.int(0, 3)),
)
rows("dot vdot inner", lambda d: (lambda n: call(d.tensor((n,), "float64"), d.tensor((n,), "float64")))(d.int(0, 4)))
rows("outer", lambda d: call(d.tensor((d.int(0, 3),), "float64"), d.tensor((d.int(0, 3),), "float64")))
rows("kron", lambda d: call(d.tensor(d.shape(0, 2), "float64"), d.tensor(d.shape(0, 2), "float64")))
rows(
    "addmm",
    lambda d: (
        lambda n, m: call(
            d.tensor(d.pick((n, 2), (2,), (1, 2)), "float64"),
            *_matrices(d, n, m, 2),
            beta=d.pick(1, 0.5),
            alpha=d.pick(1, 2),
        )
    )(d.int(1, 3), d.int(0, 3)),
)
rows(
    "addmv",
    lambda d: (
        lambda n, m: call(
            d.tensor((n,), "float64"), d.tensor((n, m), "float64"), d.tensor((m,), "float64"), beta=d.pick(1, 0.5)
        )
    )(d.int(1, 3), d.int(0, 3)),
)
rows(
    "addr",
    lambda d: (
        lambda n, m: call(
            d.tensor((n, m), "float64"), d.tensor((n,), "float64"), d.tensor((m,), "float64"), alpha=d.pick(1, 2)
        )
    )(d.int(1, 3), d.int(1, 3)),
)
rows(
    "baddbmm",
    lambda d: (lambda n: call(d.tensor((2, n, 2), "float64"), *_matrices(d, n, 3, 2, batch=(2,)), beta=d.pick(1, 0.5)))(
        d.int(1, 3)
    ),
)
rows(
    "tensordot",
    lambda d: call(
        d.tensor((2, 3), "float64"), d.tensor((3, 2), "float64"), d.pick(1, 0, ([1], [0]), ([0, 1], [1, 0]))
    ),
)
rows(
    "einsum",
    lambda d: (
        lambda x, y: d.pick(
            call("ij,jk->ik", x, y),
            call("ij,jk", x, y),
            call("ij,jk->", x, y),
            call("ij->ji", x),
            call("...j,jk->k...", x, y),
        )
    )(d.tensor((2, 3), "float64"), d.tensor((3, 2), "float64")),
)
rows(
    "cdist",
    lambda d: call(
        d.tensor((d.int(1, 3), 2), "float64", special=False),
        d.tensor((d.int(1, 3), 2), "float64", special=False),
        d.pick(1.0, 2.0, 3.0),
    ),
)
rows(
    "cross linalg.cross",
    lambda d: (lambda s: call(d.tensor(s, "float64"), d.tensor(s, "float64"), dim=-1))((*d.shape(0, 2), 3)),
)
rows("linalg.vecdot", lambda d: (lambda s: call(d.tensor(s, "float64"), d.tensor(s, "float64"), dim=-1))(d.shape(1, 3)))
rows("linalg.multi_dot chain_matmul", lambda d: call(_matrices(d, 2, 3, 2, 4)))
ROWS.pop("chain_matmul")


def _square(d, shift=4.0, symmetric=False):
    n, batch = d.int(1, 3), d.shape(0, 1, False)
    x = d.rng.uniform(-1, 1, (*batch, n, n))
    x = (x + x.swapaxes(-1, -2)) / 2 if symmetric else x
    return In(x + shift * np.diag(np.arange(1.0, n + 1)), not d.special)


rows("linalg.det linalg.inv linalg.slogdet inverse det logdet matrix_exp", lambda d: call(_square(d)))
rows("linalg.cholesky cholesky", lambda d: call(_square(d, 4.0, True)))
rows(
    "linalg.solve",
    lambda d: (lambda a: call(a, d.tensor((*a.array.shape[:-1], 2), "float64", special=False)))(_square(d)),
)
rows(
    "linalg.solve_triangular",
    lambda d: (lambda a: call(a, d.tensor((*a.array.shape[:-1], 2), "float64", special=False), upper=d.flag()))(
        _square(d)
    ),
)
rows("linalg.matrix_power", lambda d: call(_square(d), d.int(-2, 3)))
rows("linalg.svdvals linalg.eigvalsh", lambda d: call(_square(d, 4.0, True)))
rows("linalg.matrix_norm", lambda d: call(_square(d), d.pick("fro", "nuc", 1, 2, math.inf, -2), keepdim=d.flag()))
rows("linalg.pinv linalg.matrix_rank", lambda d: call(_square(d)))

# ---- Fourier transforms ----
rows(
    "fft.fft fft.ifft fft.rfft fft.ihfft",
    lambda d: (lambda x: call(x, d.pick(None, 3, 5), -1, d.pick(None, "ortho", "forward")))(
        d.tensor(d.shape(1, 3, False), "float64", special=False)
    ),
)
rows(
    "fft.irfft fft.hfft",
    lambda d: call(d.tensor((*d.shape(0, 1, False), 3), "complex128"), d.pick(None, 4, 5), -1, d.pick(None, "ortho")),
)
rows(
    "fft.fft2 fft.ifft2 fft.rfft2 fft.fftn fft.ifftn fft.rfftn",
    lambda d: call(d.tensor((*d.shape(0, 1, False), 3, 4), "float64", special=False), norm=d.pick(None, "ortho")),
)
rows("fft.fftshift fft.ifftshift", lambda d: call(d.tensor(d.shape(1, 3), "float64", special=False)))

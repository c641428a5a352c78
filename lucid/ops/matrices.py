"""Matrix products and factorisations with their derivatives (Giles 2008; Townsend 2016; PyTorch's FunctionsManual).

Vectors and stacks of matrices are brought to these forms by ``lucid.functions``. Where an op is not holomorphic its rule
is written with conjugate transposes; for the others the engine conjugates.
"""

from ..core.op import multilinear, nondifferentiable, other, view

matrix_transpose = view(
    "matrix_transpose",
    lambda xp, g: xp.matrix_transpose(g),
    put=lambda xp, x, new: xp.matrix_transpose(new),
    node_name="TransposeBackward0",
)
matmul = multilinear(  # both at least 2-D; leading sizes broadcast, which the engine undoes
    "matmul",
    lambda xp, g, y: xp.matmul(g, xp.matrix_transpose(y)),
    lambda xp, g, x: xp.matmul(xp.matrix_transpose(x), g),
    node_name="MmBackward0",
)
cross = multilinear(  # of vectors of length 3
    "cross",
    lambda xp, g, y, axis: xp.cross(y, g, axis),
    lambda xp, g, x, axis: xp.cross(g, x, axis),
    params=("axis",),
    node_name="LinalgCrossBackward0",
)


# ---- pieces that the rules below share ----


def mT(xp, x):
    return xp.matrix_transpose(x)


def mH(xp, x):
    return xp.conj(xp.matrix_transpose(x))


def diag_of(xp, x):
    return xp.copy(xp.diagonal(x, 0, len(x.shape) - 2, len(x.shape) - 1))


def diag_matrix(xp, v):
    n = len(v.shape)
    return xp.diagonal_place(v, (*v.shape, v.shape[-1]), 0, n - 1, n)


def columns(xp, v):
    """A vector as scales of columns: ``m * columns(v)`` is m @ diag(v)."""
    return xp.expand_dims(v, -2)


def rows(xp, v):
    """A vector as scales of rows: ``rows(v) * m`` is diag(v) @ m."""
    return xp.expand_dims(v, -1)


def scalars(xp, v):
    """One number per matrix, to multiply matrices with."""
    return xp.expand_dims(xp.expand_dims(v, -1), -1)


def trace_of(xp, x):
    return xp.sum(diag_of(xp, x), axis=len(x.shape) - 2, keepdims=False)


def off_diagonal(xp, x, value):
    """``x`` with its diagonal replaced by a number."""
    return xp.where(xp.eye_like(x, x.shape[-1]), value, x)


def halved_diagonal(xp, x):
    return xp.where(xp.eye_like(x, x.shape[-1]), x * 0.5, x)


# ---- inverses and systems ----
inv = other(
    "inv",
    lambda xp, g, out: -xp.matmul(mT(xp, out), xp.matmul(g, mT(xp, out))),
    promote=None,
    node_name="LinalgInvExBackward0",
)
solve = other(
    "solve",
    lambda xp, g, x, out: -xp.matmul(xp.solve(mT(xp, x), g), mT(xp, out)),
    lambda xp, g, x: xp.solve(mT(xp, x), g),
    node_name="LinalgSolveExBackward0",
)


def _triangle(xp, x, upper, unit):
    return (xp.triu if upper else xp.tril)(x, (1 if upper else -1) if unit else 0)


solve_triangular = other(
    "solve_triangular",
    lambda xp, g, x, out, upper, unit: (
        -_triangle(xp, xp.matmul(xp.solve_triangular(mT(xp, x), g, not upper, unit), mT(xp, out)), upper, unit)
    ),
    lambda xp, g, x, upper, unit: xp.solve_triangular(mT(xp, x), g, not upper, unit),
    params=("upper", "unit"),
    node_name="LinalgSolveTriangularBackward0",
)


def pinv_vjp(xp, a, p, g):
    """Golub and Pereyra (1973), for a rank that stays: through whichever products are smaller."""
    ph, gh = mH(xp, p), mH(xp, g)
    if a.shape[-2] <= a.shape[-1]:
        k = xp.matmul(gh, p)
        kp = xp.matmul(k, ph)
        return (
            -mH(xp, xp.matmul(p, k))
            + kp
            - xp.matmul(xp.matmul(a, p), kp)
            + xp.matmul(xp.matmul(ph, p), gh - xp.matmul(k, a))
        )
    k = xp.matmul(p, gh)
    pk = xp.matmul(ph, k)
    return (
        -mH(xp, xp.matmul(k, p))
        + xp.matmul(xp.matmul(gh - xp.matmul(a, k), p), ph)
        + pk
        - xp.matmul(xp.matmul(pk, p), a)
    )


pinv = other(
    "pinv",
    lambda xp, g, x, out: pinv_vjp(xp, x, out, g),
    params=("atol", "rtol", "hermitian"),
    promote=None,
    holomorphic=False,
    node_name="LinalgPinvBackward0",
)
lstsq_solution = other(
    "lstsq_solution",
    lambda xp, g, x, y, rcond: pinv_vjp(xp, x, xp.pinv(x, 0.0, rcond, False), xp.matmul(g, mH(xp, y))),
    lambda xp, g, x, rcond: xp.matmul(mH(xp, xp.pinv(x, 0.0, rcond, False)), g),
    params=("rcond",),
    holomorphic=False,
    node_name="LinalgLstsqBackward0",
)

# ---- determinants ----
det = other("det", lambda xp, g, x: scalars(xp, g) * xp.cofactor(x), promote=None, node_name="LinalgDetBackward0")


def _cofactor_grad(xp, g, x, out):
    back = mT(xp, xp.inv(x))
    return back * scalars(xp, trace_of(xp, xp.matmul(mT(xp, g), out))) - xp.matmul(back, xp.matmul(mT(xp, g), out))


cofactor = other("cofactor", _cofactor_grad, promote=None)


def _slogdet_grad(xp, g, x, out, source):
    """d log|det| = Re tr(inv(x) dx); the sign of a complex determinant turns with the imaginary part."""
    to_sign, to_log = g
    back = xp.inv(mH(xp, x))
    if source.category == 3 and to_sign is not None:
        turn = xp.imag(xp.conj(to_sign) * out[0]) * -1.0
        scale = xp.complex(xp.zeros_like(turn) if to_log is None else to_log, turn)
        return back * scalars(xp, scale)
    return xp.zeros_like(x) if to_log is None else back * scalars(xp, to_log)


slogdet = other(
    "slogdet", _slogdet_grad, params=("source",), promote=None, holomorphic=False, node_name="LinalgSlogdetBackward0"
)


# ---- factorisations ----
def _cholesky_grad(xp, g, out):
    lh = mH(xp, out)
    middle = halved_diagonal(xp, xp.tril(xp.matmul(lh, g), 0))
    left = xp.solve_triangular(lh, middle, True, False)
    s = mH(xp, xp.solve_triangular(lh, mH(xp, left), True, False))  # inv(L)^H middle inv(L)
    return (s + mH(xp, s)) * 0.5


cholesky = other("cholesky", _cholesky_grad, promote=None, holomorphic=False, node_name="LinalgCholeskyExBackward0")


def _qr_tall_grad(xp, q, r, gq, gr):
    """For a matrix with at least as many rows as columns: Walter and Lehmann (2012)."""
    middle = 0.0
    if gr is not None:
        middle = xp.matmul(gr, mH(xp, r))
    if gq is not None:
        middle = middle - xp.matmul(mH(xp, q), gq)
    upper = xp.triu(middle, 0)
    total = xp.matmul(q, halved_diagonal(xp, upper + mH(xp, upper)))
    if gq is not None:
        total = total + gq
    return mH(xp, xp.solve_triangular(r, mH(xp, total), True, False))  # total @ inv(R)^H


def _qr_grad(xp, g, x, out, mode):
    q, r = out
    gq, gr = g
    m, n = x.shape[-2:]
    if mode == "r":
        raise RuntimeError("linalg.qr: the derivative is not defined for mode='r'; use mode='reduced'")
    if mode == "complete" and m > n:
        raise RuntimeError(
            "linalg.qr: the derivative is not defined for mode='complete' when nrows > ncols; use mode='reduced'"
        )
    if m >= n:
        return _qr_tall_grad(xp, q, r, gq, gr)
    axis = len(x.shape) - 1  # x = [x1 x2] = q [u v]: x2 = q v
    u, x2 = xp.take_slice(r, axis, 0, m), xp.take_slice(x, axis, m, n)
    if gr is None:
        return xp.concat(_qr_tall_grad(xp, q, u, gq, None), xp.zeros_like(x2), axis)
    gu, gv = xp.take_slice(gr, axis, 0, m), xp.take_slice(gr, axis, m, n)
    from_v = xp.matmul(x2, mH(xp, gv))
    total = from_v if gq is None else gq + from_v
    return xp.concat(_qr_tall_grad(xp, q, u, total, gu), xp.matmul(q, gv), axis)


qr = other("qr", _qr_grad, params=("mode",), promote=None, holomorphic=False, node_name="LinalgQrBackward0")


def _svd_grad(xp, g, x, out, full_matrices, source):
    """Townsend (2016), and for complex matrices Wan and Zhang (2019)."""
    u, s, vh = out
    gu, gs, gv = g
    m, n, k = x.shape[-2], x.shape[-1], s.shape[-1]
    last = len(x.shape) - 1
    if full_matrices:
        u, vh = xp.take_slice(u, last, 0, k), xp.take_slice(vh, last - 1, 0, k)
        gu = None if gu is None else xp.take_slice(gu, last, 0, k)
        gv = None if gv is None else xp.take_slice(gv, last - 1, 0, k)
    if gu is None and gv is None:
        return xp.matmul(u * columns(xp, gs), vh)
    square = s * s
    gap = off_diagonal(xp, columns(xp, square) - rows(xp, square), 1.0)
    middle = 0.0
    if gu is not None:
        turned = xp.matmul(mH(xp, u), gu)
        turned = turned - mH(xp, turned)
        middle = turned / gap * columns(xp, s)
        if source.category == 3 and gv is not None:
            middle = middle + diag_matrix(xp, diag_of(xp, turned) / (s * 2.0))
    if gv is not None:
        other_turn = xp.matmul(vh, mH(xp, gv))
        middle = middle + rows(xp, s) * ((other_turn - mH(xp, other_turn)) / gap)
    if gs is not None:
        middle = middle + diag_matrix(xp, gs)
    if m > k and gu is not None:
        scaled = gu / columns(xp, s)
        total = xp.matmul(xp.matmul(u, middle) + scaled - xp.matmul(u, xp.matmul(mH(xp, u), scaled)), vh)
    else:
        total = xp.matmul(u, xp.matmul(middle, vh))
    if n > k and gv is not None:
        scaled = gv / rows(xp, s)
        total = total + xp.matmul(u, scaled - xp.matmul(xp.matmul(scaled, mH(xp, vh)), vh))
    return total


svd = other(
    "svd",
    _svd_grad,
    params=("full_matrices", "source"),
    promote=None,
    holomorphic=False,
    node_name="LinalgSvdBackward0",
)


def _eigh_grad(xp, g, out):
    w, v = out
    gw, gv = g
    vh = mH(xp, v)
    if gv is None:
        return xp.matmul(v * columns(xp, gw), vh)
    gap = off_diagonal(xp, columns(xp, w) - rows(xp, w), 1.0)
    turned = xp.matmul(vh, gv)
    # Hermitian, as the matrix: a step keeps it so.
    middle = off_diagonal(xp, (turned - mH(xp, turned)) * 0.5 / gap, 0.0)
    if gw is not None:
        middle = middle + diag_matrix(xp, gw)
    return xp.matmul(v, xp.matmul(middle, vh))


eigh = other("eigh", _eigh_grad, params=("uplo",), promote=None, holomorphic=False, node_name="LinalgEighBackward0")


def _eig_grad(xp, g, out, source):
    """Boeddeker et al. (2019), with vectors of norm one; a real matrix takes the real part."""
    w, v = out
    gw, gv = g
    vh = mH(xp, v)
    if gv is None:
        middle = rows(xp, gw) * vh
    else:
        turned = xp.matmul(vh, gv)
        gram = xp.matmul(vh, v)
        part = turned - gram * columns(xp, xp.cast(xp.real(diag_of(xp, turned)), w.dtype))
        gap = off_diagonal(xp, xp.conj(columns(xp, w) - rows(xp, w)), 1.0)
        middle = off_diagonal(xp, part / gap, 0.0)
        if gw is not None:
            middle = middle + diag_matrix(xp, gw)
        middle = xp.matmul(middle, vh)
    total = xp.solve(vh, middle)
    return total if source.category == 3 else xp.real(total)


eig = other("eig", _eig_grad, params=("source",), promote=None, holomorphic=False, node_name="LinalgEigBackward0")


def _lu_grad(xp, g, out, pivot):
    """For P A = L U; of a matrix that is not square, the rest follows from its square part."""
    packed, pivots = out
    g = g[0]
    last = len(packed.shape) - 1
    m, n = packed.shape[-2:]
    k = min(m, n)
    square = xp.take_slice(xp.take_slice(packed, last - 1, 0, k), last, 0, k)
    g_square = xp.take_slice(xp.take_slice(g, last - 1, 0, k), last, 0, k)
    lower, upper = xp.tril(square, -1), xp.triu(square, 0)
    lower = lower + xp.where(xp.eye_like(lower, k), 1.0, lower * 0.0)
    gl, gu = xp.tril(g_square, -1), xp.triu(g_square, 0)
    rest = None
    if m > n:  # L2 = A2 inv(U)
        low, g_low = xp.take_slice(packed, last - 1, k, m), xp.take_slice(g, last - 1, k, m)
        rest = mH(xp, xp.solve_triangular(upper, mH(xp, g_low), True, False))
        gu = gu - xp.triu(xp.matmul(mH(xp, low), rest), 0)
    elif m < n:  # U2 = inv(L) A2
        right, g_right = xp.take_slice(packed, last, k, n), xp.take_slice(g, last, k, n)
        rest = xp.solve_triangular(mH(xp, lower), g_right, True, True)
        gl = gl - xp.tril(xp.matmul(rest, mH(xp, right)), -1)
    middle = xp.tril(xp.matmul(mH(xp, lower), gl), -1) + xp.triu(xp.matmul(gu, mH(xp, upper)), 0)
    total = xp.solve_triangular(mH(xp, lower), middle, True, True)
    total = mH(xp, xp.solve_triangular(upper, mH(xp, total), True, False))
    if rest is not None:
        total = xp.concat(total, rest, last - 1 if m > n else last)
    order = xp.argsort(xp.pivot_order(pivots, m), last - 1, False, True)
    return xp.take_along_axis(total, xp.broadcast_to(xp.expand_dims(order, -1), tuple(total.shape)), last - 1)


lu_factor = other(
    "lu_factor", _lu_grad, params=("pivot",), promote=None, holomorphic=False, node_name="LinalgLuFactorExBackward0"
)


# ---- functions of matrices ----
def _matrix_exp_grad(xp, g, x):
    """The upper right block of exp([[A^T, g], [0, A^T]]) (Mathias 1996)."""
    a, last = mT(xp, x), len(x.shape) - 1
    top = xp.concat(a, g, last)
    block = xp.concat(top, xp.concat(xp.zeros_like(a), a, last), last - 1)
    n = x.shape[-1]
    return xp.take_slice(xp.take_slice(xp.matrix_exp(block), last - 1, 0, n), last, n, 2 * n)


matrix_exp = other("matrix_exp", _matrix_exp_grad, promote=None, node_name="LinalgMatrixExpBackward0")

svdvals = nondifferentiable("svdvals", promote=None)
eigvalsh = nondifferentiable("eigvalsh", params=("uplo",), promote=None)
pivot_order = nondifferentiable("pivot_order", params=("m",), promote=None)
cholesky_ex = nondifferentiable("cholesky_ex", promote=None)
inv_ex = nondifferentiable("inv_ex", promote=None)
geqrf = nondifferentiable("geqrf", promote=None)
ldl_factor = nondifferentiable("ldl_factor", params=("hermitian",), promote=None)
ldl_solve = nondifferentiable("ldl_solve", 3, params=("hermitian",), promote=None)

"""lucid.linalg against torch.linalg: values, gradients, second derivatives; real and complex, batched, tall and wide."""

import math

import numpy as np
import pytest

import lucid
from against_torch import check, draw, host
from reference import needs_torch, torch

EYE = np.eye(4)
KINDS = pytest.mark.parametrize("c", [False, True], ids=["real", "complex"])


def definite(n, c=False):
    a = draw(2, n, n, complex=c)
    return a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(n)


def triangular(n, c=False):
    return np.tril(draw(n, n, complex=c), -1) + 2 * np.eye(n)


SQUARE = {
    "inv": lambda L, x: L.linalg.inv(x),
    "inverse": lambda L, x: x.inverse(),
    "inv_ex": lambda L, x: L.linalg.inv_ex(x),
    "det": lambda L, x: L.linalg.det(x),
    "slogdet": lambda L, x: L.linalg.slogdet(x),
    "cholesky": lambda L, x: L.linalg.cholesky(x @ x.mH + L.eye(4, dtype=x.dtype)),
    "cholesky upper": lambda L, x: L.linalg.cholesky(x @ x.mH + L.eye(4, dtype=x.dtype), upper=True),
    "cholesky_ex": lambda L, x: L.linalg.cholesky_ex(x @ x.mH + L.eye(4, dtype=x.dtype)),
    "lu_factor": lambda L, x: L.linalg.lu_factor(x),
    "eigh": lambda L, x: (lambda r: [r.eigenvalues, abs(r.eigenvectors) ** 2])(L.linalg.eigh(x + x.mH)),
    "eigh U": lambda L, x: (lambda r: [r[0], abs(r[1]) ** 2])(L.linalg.eigh(x + x.mH, UPLO="U")),
    "eigvalsh": lambda L, x: L.linalg.eigvalsh(x + x.mH),
    "matrix_exp": lambda L, x: L.linalg.matrix_exp(x),
    "matrix_power 5": lambda L, x: L.linalg.matrix_power(x, 5),
    "matrix_power -2": lambda L, x: L.linalg.matrix_power(x, -2),
    "matrix_power 0": lambda L, x: L.linalg.matrix_power(x.detach(), 0),
    "logdet": lambda L, x: L.logdet(x @ x.mH),
    "pinv": lambda L, x: L.linalg.pinv(x),
    "pinv hermitian": lambda L, x: L.linalg.pinv(x + x.mH, hermitian=True),
    "trace": lambda L, x: L.trace(x[0]),
}


@needs_torch
@KINDS
@pytest.mark.parametrize("name", SQUARE)
def test_square(name, c):
    check(SQUARE[name], draw(2, 4, 4, complex=c))


SHAPES = [(3, 3), (5, 3), (3, 5), (2, 4, 3), (2, 3, 4)]
ANY = {
    "qr": lambda L, x: L.linalg.qr(x),
    "pinv": lambda L, x: L.linalg.pinv(x),
    "svdvals": lambda L, x: L.linalg.svdvals(x),
    "svd": lambda L, x: (lambda u, s, vh: [s, abs(u) ** 2, (u * s.unsqueeze(-2) ** 2) @ vh])(
        *L.linalg.svd(x, full_matrices=False)
    ),
    "lu": lambda L, x: L.linalg.lu(x),
    "lu_factor": lambda L, x: L.linalg.lu_factor(x),
    "svd full": lambda L, x: L.linalg.svd(x).S,
}


@needs_torch
@KINDS
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ANY)
def test_rectangular(name, shape, c):
    check(ANY[name], draw(*shape, complex=c), second=not (name == "svd" and c))


@needs_torch
@KINDS
@pytest.mark.parametrize("shape", SHAPES[:4], ids=str)
def test_lstsq(shape, c):
    check(
        lambda L, x, y: L.linalg.lstsq(x, y).solution,
        draw(*shape, complex=c),
        draw(*shape[:-1], 2, complex=c),
        second=False,
    )


@needs_torch
@pytest.mark.parametrize("driver", [None, "gels", "gelsd", "gelsy", "gelss"])
def test_lstsq_drivers_return_what_torch_returns(driver):
    check(lambda L, x, y: L.linalg.lstsq(x, y, driver=driver), draw(5, 3), draw(5, 2), gradient=False)


@needs_torch
@KINDS
def test_eig(c):
    check(lambda L, x: (lambda r: [r[0], abs(r[1]) ** 2])(L.linalg.eig(x)), draw(4, 4, complex=c))
    check(lambda L, x: L.linalg.eigvals(x), draw(4, 4, complex=c))


@needs_torch
@KINDS
def test_solve(c):
    a, b, v = draw(2, 4, 4, complex=c), draw(4, 3, complex=c), draw(2, 4, complex=c)
    check(lambda L, x, y: L.linalg.solve(x, y), a, b)
    check(lambda L, x, y: L.linalg.solve(x, y), a, v)
    check(lambda L, x, y: L.linalg.solve(x, y), a[0], b[:, 0])
    check(lambda L, x, y: L.linalg.solve(x, y, left=False), a, b.T.copy())
    check(lambda L, x, y: L.linalg.solve_ex(x, y), a, b)
    check(lambda L, x: L.linalg.tensorinv(x, ind=1), draw(6, 2, 3, complex=c))
    check(lambda L, x, y: L.linalg.tensorsolve(x, y), draw(2, 3, 6, complex=c), draw(2, 3, complex=c))
    check(lambda L, x, y: L.linalg.tensorsolve(x, y, dims=(0, 2)), draw(3, 6, 2, complex=c), draw(6, complex=c))


@needs_torch
@KINDS
@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_solve_triangular(upper, left, unit, c):
    a = draw(2, 10, 10, complex=c) + 4 * np.eye(10)
    check(
        lambda L, x, y: L.linalg.solve_triangular(x, y, upper=upper, left=left, unitriangular=unit),
        a,
        draw(10, 10, complex=c),
    )


@needs_torch
@KINDS
def test_cholesky_systems(c):
    check(lambda L, b, x: L.cholesky_solve(b, x.tril()), draw(4, 2, complex=c), triangular(4, c))
    check(lambda L, b, x: L.cholesky_solve(b, x.triu(), upper=True), draw(4, 2, complex=c), triangular(4, c).T.copy())
    check(lambda L, x: L.cholesky_inverse(x.tril()), triangular(4, c))


@needs_torch
@KINDS
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_lu_solve(left, adjoint, c):
    check(
        lambda L, x, y: L.linalg.lu_solve(*L.linalg.lu_factor(x), y, left=left, adjoint=adjoint),
        draw(2, 4, 4, complex=c),
        draw(4, 4, complex=c),
    )


@needs_torch
@KINDS
def test_householder_product_and_chains(c):
    check(lambda L, x, t: L.linalg.householder_product(x, t), draw(2, 5, 3, complex=c), draw(2, 3, complex=c))
    check(
        lambda L, x, y, z: L.linalg.multi_dot([x, y, z]),
        draw(3, complex=c),
        draw(3, 4, complex=c),
        draw(4, 2, complex=c),
    )
    check(lambda L, *xs: L.linalg.multi_dot(xs), draw(2, 9), draw(9, 3), draw(3, 8), draw(8, 2))
    check(lambda L, x: L.linalg.vander(x, N=4), draw(2, 3, complex=c), second=False)
    check(lambda L, x: L.vander(x, 3), draw(4, complex=c), gradient=False)  # torch's own gradient fails


@needs_torch
@KINDS
@pytest.mark.parametrize("p", [0, 1, 2, 3, 1.5, 0.5, -1, math.inf, -math.inf])
def test_vector_norm(p, c):
    x = draw(3, 4, complex=c)
    check(lambda L, x: L.linalg.vector_norm(x, p, dim=1), x)
    check(lambda L, x: L.linalg.vector_norm(x, p, dim=(0, 1), keepdim=True), x)
    check(lambda L, x: L.linalg.norm(x.flatten(), p), x)


@needs_torch
@KINDS
@pytest.mark.parametrize("p", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_matrix_norm_and_cond(p, c):
    check(lambda L, x: L.linalg.matrix_norm(x, p, dim=(0, 2), keepdim=True), draw(3, 4, 3, complex=c), second=False)
    check(lambda L, x: L.linalg.norm(x, p), draw(3, 4, complex=c), second=False)
    check(
        lambda L, x: L.linalg.cond(x.detach(), p), draw(3, 3, complex=c)
    )  # torch's own gradient fails: inverse written in place


@needs_torch
def test_old_norm():
    x = draw(3, 4)
    for p in ("fro", "nuc", 1, 2, 3, math.inf):
        check(lambda L, x, p=p: L.norm(x, p), x, second=False)
    check(lambda L, x: x.norm(2, 1, True), x)
    check(lambda L, x: L.norm(x, dim=(0, 1)), x)


@needs_torch
def test_norm_gradient_at_zero_and_at_ties():
    check(lambda L, x: L.linalg.vector_norm(x), np.zeros(3), second=False)
    check(lambda L, x: L.linalg.vector_norm(x, math.inf), np.array([1.0, -2.0, 2.0]), second=False)
    check(lambda L, x: L.linalg.vector_norm(x, 3), np.array([0.0, -2.0, 2.0]), second=False)
    check(lambda L, x: L.linalg.vector_norm(x), np.array([np.nan, 1.0]), gradient=False)


@needs_torch
def test_rank_and_pinv_tolerances():
    a = np.diag([3.0, 1e-3, 1e-9])
    for kw in ({}, {"atol": 1e-2}, {"rtol": 1e-2}, {"atol": 1e-2, "rtol": 1e-5}, {"hermitian": True}, {"tol": 0.5}):
        check(lambda L, x, kw=kw: L.linalg.matrix_rank(x, **kw), a, gradient=False)
    for kw in ({"atol": 1e-2}, {"rtol": 1e-2}, {"rcond": 1e-2}):
        check(lambda L, x, kw=kw: L.linalg.pinv(x, **kw), a, gradient=False)


@needs_torch
@KINDS
def test_ldl(c):
    for n in (1, 2, 5, 6):
        h = draw(n, n, complex=c)
        h = h + np.conj(h.T)
        for matrix in (h, h - np.diag(np.diag(h)) if n > 1 else h):
            check(lambda L, x: L.linalg.ldl_factor(x, hermitian=True), matrix, gradient=False)
            packed, pivots = lucid.linalg.ldl_factor(lucid.tensor(matrix), hermitian=True)
            b = draw(n, 2, complex=c)
            x = lucid.linalg.ldl_solve(packed, pivots, lucid.tensor(b), hermitian=True)
            np.testing.assert_allclose(matrix @ x.numpy(), b, atol=1e-8)


def test_det_of_a_singular_matrix_has_its_gradient():
    """torch gives zeros here; the cofactors are right: compare with differences."""
    a = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])
    x = lucid.tensor(a, requires_grad=True)
    lucid.linalg.det(x).backward()
    for i, j in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[i, j] = 1e-6
        numeric = (np.linalg.det(a + step) - np.linalg.det(a - step)) / 2e-6
        assert abs(x.grad[i, j].item() - numeric) < 1e-6


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lucid.linalg.inv(lucid.zeros(2, 2)), "singular"),
        (lambda: lucid.linalg.solve(lucid.ones(2, 2), lucid.ones(2)), "singular"),
        (lambda: lucid.linalg.cholesky(lucid.tensor([[1.0, 2.0], [2.0, 1.0]])), "leading minor of order 2"),
        (lambda: lucid.linalg.lu_factor(lucid.zeros(2, 2)), "zero"),
    ],
)
def test_failures_are_linalg_errors(call, words):
    with pytest.raises(lucid.linalg.LinAlgError, match=words):
        call()
    assert issubclass(lucid.linalg.LinAlgError, RuntimeError)


@needs_torch
@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "eigh", "eig", "matrix_exp", "slogdet", "matrix_power"])
def test_bad_input_raises_as_torch(name):
    more = (2,) if name == "matrix_power" else ()
    for shape in [(3,), (2, 3)]:
        for library in (lucid, torch):
            with pytest.raises(RuntimeError):
                getattr(library.linalg, name)(library.zeros(shape), *more)
    if name != "matrix_power":
        for library in (lucid, torch):
            with pytest.raises(RuntimeError):
                getattr(library.linalg, name)(library.zeros((2, 2), dtype=library.int64))


def test_unchecked_forms_report_what_failed():
    bad = lucid.tensor([[[1.0, 2.0], [2.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]]])
    assert lucid.linalg.cholesky_ex(bad).info.tolist() == [2, 0]
    assert lucid.linalg.inv_ex(lucid.tensor([[1.0, 0.0], [0.0, 0.0]])).info.item() == 2
    with pytest.raises(lucid.linalg.LinAlgError):
        lucid.linalg.cholesky_ex(bad, check_errors=True)


@needs_torch
def test_empty_matrices():
    for f in (
        lambda L, x: L.linalg.det(x),
        lambda L, x: L.linalg.inv(x),
        lambda L, x: L.linalg.eigh(x),
        lambda L, x: L.linalg.svdvals(x),
    ):
        check(f, np.zeros((0, 0)), gradient=False)
    check(lambda L, x: L.linalg.svd(x, full_matrices=False), np.zeros((0, 3)), gradient=False)
    check(lambda L, x: L.linalg.pinv(x), np.zeros((0, 3)), gradient=False)


def test_every_name_of_torch_linalg_is_there():
    names = """LinAlgError cholesky cholesky_ex cond cross det diagonal eig eigh eigvals eigvalsh householder_product inv inv_ex ldl_factor
        ldl_factor_ex ldl_solve lstsq lu lu_factor lu_factor_ex lu_solve matmul matrix_exp matrix_norm matrix_power matrix_rank multi_dot norm
        pinv qr slogdet solve solve_ex solve_triangular svd svdvals tensorinv tensorsolve vander vecdot vector_norm dot inner outer"""
    assert not [n for n in names.split() if not hasattr(lucid.linalg, n)]


PRODUCTS = {
    "matmul 1 1": (lambda L, x, y: x @ y, (4,), (4,)),
    "matmul 1 2": (lambda L, x, y: x @ y, (4,), (4, 3)),
    "matmul 2 1": (lambda L, x, y: x @ y, (3, 4), (4,)),
    "matmul 3 1": (lambda L, x, y: x @ y, (2, 3, 4), (4,)),
    "matmul 1 3": (lambda L, x, y: x @ y, (4,), (2, 4, 3)),
    "matmul 3 2": (lambda L, x, y: x @ y, (2, 3, 4), (4, 5)),
    "matmul broadcast": (lambda L, x, y: x @ y, (2, 1, 3, 4), (5, 4, 2)),
    "outer": (lambda L, x, y: L.outer(x, y), (3,), (4,)),
    "inner": (lambda L, x, y: L.inner(x, y), (2, 4), (3, 4)),
    "inner 0-d": (lambda L, x, y: L.inner(x, y), (), (3, 4)),
    "vdot": (lambda L, x, y: L.vdot(x, y), (4,), (4,)),
    "vecdot": (lambda L, x, y: L.linalg.vecdot(x, y, dim=0), (4, 3), (4, 1)),
    "cross": (lambda L, x, y: L.linalg.cross(x, y), (2, 3), (1, 3)),
    "cross dim": (lambda L, x, y: L.cross(x, y, dim=0), (3, 2), (3, 2)),
    "kron": (lambda L, x, y: L.kron(x, y), (2, 3), (4,)),
    "tensordot 2": (lambda L, x, y: L.tensordot(x, y, dims=2), (2, 3, 4), (3, 4, 5)),
    "tensordot 0": (lambda L, x, y: L.tensordot(x, y, dims=0), (2, 3), (4,)),
    "tensordot lists": (lambda L, x, y: L.tensordot(x, y, dims=([0, 2], [1, 0])), (2, 3, 4), (4, 2, 5)),
    "dot": (lambda L, x, y: x.dot(y), (4,), (4,)),
    "mv": (lambda L, x, y: x.mv(y), (3, 4), (4,)),
}


@needs_torch
@KINDS
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name, c):
    program, a, b = PRODUCTS[name]
    check(program, draw(*a, complex=c), draw(*b, complex=c) * 0.5)


ADDS = {
    "addmm": ((2, 4), (2, 3), (3, 4)),
    "addmv": ((2,), (2, 3), (3,)),
    "addr": ((2, 3), (2,), (3,)),
    "baddbmm": ((5, 2, 4), (5, 2, 3), (5, 3, 4)),
    "addbmm": ((2, 4), (5, 2, 3), (5, 3, 4)),
}


@needs_torch
@pytest.mark.parametrize("name", ADDS)
def test_adding_products(name):
    a, b, c = (draw(*shape) for shape in ADDS[name])
    check(lambda L, x, y, z: getattr(L, name)(x, y, z, beta=0.5, alpha=2.0), a, b, c)
    check(lambda L, x, y, z: getattr((x * 1), f"{name}_")(y, z, beta=0.5), a, b, c)
    check(lambda L, x, y, z: getattr(L, name)(x * np.nan, y, z, beta=0), a, b, c, gradient=False)


@needs_torch
@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, math.inf])
def test_distances(p):
    x, y = draw(4, 3), draw(5, 3)
    check(lambda L, x, y: L.cdist(x, y, p), x, y, second=False)
    check(lambda L, x: L.cdist(x, x, p) if L is lucid else torch.cdist(x, x, p), x, gradient=False)
    check(lambda L, x: L.pdist(x, p), x, second=False)
    check(lambda L, x, y: L.cdist(x, y, p), draw(2, 30, 3), draw(1, 40, 3), second=False, rtol=1e-5)


def test_vectors_and_results_are_named():
    assert lucid.linalg.qr(lucid.ones(2, 2))._fields == ("Q", "R")
    assert lucid.linalg.slogdet(lucid.eye(2))._fields == ("sign", "logabsdet")
    assert host(lucid.linalg.svd(lucid.eye(2)).Vh).shape == (2, 2)


@needs_torch
@KINDS
def test_householder_forms(c):
    for shape in [(4, 4), (5, 3), (3, 5)]:
        check(lambda L, x: L.geqrf(x), draw(*shape, complex=c), gradient=False)
    a, tau = draw(5, 3, complex=c), draw(3, complex=c)
    check(lambda L, a, t: L.orgqr(a, t), a, tau)
    for left in (True, False):
        for transpose in (True, False):
            other = draw(5, 2, complex=c) if left else draw(2, 5, complex=c)
            check(
                lambda L, a, t, o, left=left, transpose=transpose: L.ormqr(a, t, o, left, transpose),
                a,
                tau,
                other,
                gradient=False,
            )


def test_low_rank():
    lucid.manual_seed(0)
    a = lucid.tensor(draw(20, 3)) @ lucid.tensor(draw(3, 12))
    u, s, v = lucid.svd_lowrank(a, q=4)
    np.testing.assert_allclose((u * s @ v.T).numpy(), a.numpy(), atol=1e-8)
    u, s, v = lucid.pca_lowrank(a, q=3)
    np.testing.assert_allclose((u * s @ v.T).numpy(), (a - a.mean(0)).numpy(), atol=1e-8)


@needs_torch
@KINDS
def test_without_scipy(monkeypatch, c):
    from lucid.backends import numpy_linalg

    monkeypatch.setattr(numpy_linalg, "_lapack", lambda: None)
    for shape in [(12, 12), (9, 12), (12, 9)]:
        check(lambda L, x: L.linalg.lu_factor(x), draw(*shape, complex=c))
    a = draw(12, 12, complex=c) + 4 * np.eye(12)
    for upper in (True, False):
        check(lambda L, x, y, upper=upper: L.linalg.solve_triangular(x, y, upper=upper), a, draw(12, 3, complex=c))


@needs_torch
def test_large_lu_with_scipy_where_installed():
    for shape in [(12, 12), (9, 12), (2, 12, 9)]:
        check(lambda L, x: L.linalg.lu(x), draw(*shape))
    singular = np.triu(draw(12, 12))
    singular[3, 3] = 0
    check(
        lambda L, x: L.linalg.solve_triangular(x, L.ones(12, 1, dtype=L.float64), upper=True), singular, gradient=False
    )


@pytest.mark.parametrize("ord, shape", [(math.inf, (0, 2)), (math.inf, (3, 0, 0)), (1, (2, 0)), (1, (0, 0))])
def test_matrix_norms_of_nothing_are_zero(ord, shape):
    found = lucid.linalg.matrix_norm(lucid.ones(shape), ord)
    assert tuple(found.shape) == shape[:-2] and not found.any()
    with pytest.raises((IndexError, RuntimeError)):
        lucid.linalg.matrix_norm(lucid.ones(shape), -ord)


def test_tensorsolve_of_nothing():
    assert tuple(lucid.linalg.tensorsolve(lucid.ones(2, 0, 2, 0, 1), lucid.ones(2, 0)).shape) == (2, 0, 1)


@pytest.mark.parametrize("given, wanted", [("float64", "float32"), ("complex64", "float32"), ("float32", "complex64")])
def test_a_norm_refuses_a_narrower_dtype(given, wanted):
    x = lucid.ones(2, dtype=getattr(lucid, given))
    for f in (lucid.linalg.norm, lucid.linalg.vector_norm):
        with pytest.raises(RuntimeError, match="without narrowing"):
            f(x, dtype=getattr(lucid, wanted))
    assert lucid.linalg.norm(lucid.ones(2), dtype=lucid.float64).dtype is lucid.float64

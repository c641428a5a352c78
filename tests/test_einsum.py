"""einsum against torch.einsum, and lucid.einops against the einops library where it is installed."""

import subprocess
import sys

import numpy as np
import pytest

import lucid
from against_torch import check, draw
from lucid.testing import assert_close
from reference import needs_torch, torch

EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,kj->ik", (2, 3), (4, 3)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("bij,bjk->ik", (5, 2, 3), (5, 3, 4)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("...ij,...jk", (2, 1, 2, 3), (5, 3, 4)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)),
    ("i,i", (3,), (3,)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->ij", (3, 3, 2)),
    ("bii->b", (2, 3, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->i", (2, 3)),
    ("...i->...", (2, 3)),
    ("i...->...i", (2, 3, 4)),
    ("ji", (2, 3)),
    ("aB,Bc->ac", (2, 3), (3, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ij,jk,kl,lm->im", (2, 9), (9, 3), (3, 8), (8, 2)),
    ("i,j,k->ijk", (2,), (3,), (4,)),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)),
    ("ij,ij,ij->i", (2, 3), (2, 3), (2, 3)),
    (" b i , b j -> b i j ", (2, 3), (2, 4)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    (",i->i", (), (3,)),
    ("iij,jkk->ik", (2, 2, 3), (3, 4, 4)),
    ("...,...->...", (2, 3), (3,)),
]


@needs_torch
@pytest.mark.parametrize("case", EQUATIONS, ids=lambda c: c[0])
@pytest.mark.parametrize("c", [False, True], ids=["real", "complex"])
def test_equations(case, c):
    equation, *shapes = case
    check(lambda L, *xs: L.einsum(equation, *xs), *(draw(*s, complex=c) for s in shapes))


@needs_torch
def test_other_forms():
    x, y = draw(2, 3), draw(3, 4)
    check(lambda L, x, y: L.einsum("ij,jk->ik", [x, y]), x, y)
    check(lambda L, x, y: L.einsum(x, [0, 1], y, [1, 2], [0, 2]), x, y)
    check(lambda L, x, y: L.einsum(x, [0, 1], y, [1, 2]), x, y)
    check(lambda L, x, y: L.einsum(x, [..., 0, 1], y, [1, 2], [..., 0, 2]), draw(5, 2, 3), y)
    check(lambda L, x: L.einsum("ij,kj->ik", x, x), np.arange(6).reshape(2, 3))


@needs_torch
@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3)]),
        ("ij->ik", [(2, 3)]),
        ("ij->ii", [(2, 3)]),
        ("ij", [(2, 3, 4)]),
        ("ij,jk", [(2, 3), (4, 5)]),
        ("i1", [(2, 3)]),
    ],
)
def test_errors(equation, shapes):
    for library in (lucid, torch):
        with pytest.raises(RuntimeError):
            library.einsum(equation, *(library.zeros(s) for s in shapes))


@needs_torch
@pytest.mark.parametrize(
    "equation",
    ["ab,cd->acbd", "ab,cd->cadb", "i,j->ji", "bi,bj->bji", "ij,jk->ki", "bij,bjk->bki", "a,b,c->cab", "ij,k->kij"],
)
def test_results_lie_in_memory_as_torchs(equation):
    """learn2learn's Kronecker product: ``einsum("ab,cd->acbd", a, b).view(a.size(0) * b.size(0), -1)``."""
    sizes = {c: n for n, c in enumerate("ijkabcd", 2)}
    shapes = [[sizes[c] for c in term] for term in equation.partition("->")[0].split(",")]
    mine, theirs = (t.einsum(equation, *(t.ones(shape) for shape in shapes)) for t in (lucid, torch))
    assert mine.stride() == theirs.stride() and mine.is_contiguous()


def test_chain_is_contracted_in_the_cheap_order():
    """Left to right this would make a 300 x 300 x 300 intermediate."""
    a, b, v = lucid.ones(300, 300), lucid.ones(300, 300), lucid.ones(300)
    assert lucid.einsum("ij,jk,k->i", a, b, v)[0].item() == 300.0**2


PATTERNS = [
    ("rearrange", "a b c -> c (a b)", {}),
    ("rearrange", "a b (c d) -> a (b d) c", {"d": 2}),
    ("rearrange", "a ... -> ... a", {}),
    ("rearrange", "a b c -> a 1 b c 1", {}),
    ("rearrange", "(a1 a2) b c -> a1 a2 (b c)", {"a1": 1}),
    ("rearrange", "a b c -> (a b c)", {}),
    ("reduce", "a b c -> a", "sum", {}),
    ("reduce", "a b (c d) -> a d", "mean", {"c": 2}),
    ("reduce", "a b c -> () b ()", "max", {}),
    ("reduce", "a b c -> b", "min", {}),
    ("reduce", "... c -> ...", "prod", {}),
    ("reduce", "a b (c 2) -> a c", "max", {}),
    ("repeat", "a b c -> a (b n) c", {"n": 3}),
    ("repeat", "a b c -> n a b c", {"n": 2}),
    ("repeat", "a b c -> a b c 2", {}),
]


@pytest.mark.parametrize("case", PATTERNS, ids=lambda c: f"{c[0]} {c[1]}")
def test_einops(case):
    einops = pytest.importorskip("einops")
    name, pattern, *rest, lengths = case
    x = draw(2, 3, 4)
    ours = getattr(lucid.einops, name)(lucid.tensor(x, requires_grad=True), pattern, *rest, **lengths)
    np.testing.assert_allclose(ours.detach().numpy(), getattr(einops, name)(x, pattern, *rest, **lengths))
    assert ours.requires_grad


def test_einops_of_a_list_and_with_a_function():
    parts = [lucid.ones(2), lucid.zeros(2)]
    assert lucid.einops.rearrange(parts, "a b -> b a").tolist() == [[1, 0], [1, 0]]
    assert lucid.einops.reduce(lucid.ones(2, 3), "a b -> a", lambda x, axes: x.sum(axes)).tolist() == [3, 3]
    assert lucid.einops.einsum(lucid.ones(2, 3), lucid.ones(3, 4), "i middle, middle o -> o i").shape == (4, 2)


@pytest.mark.parametrize(
    ("name", "pattern", "more", "lengths"),
    [
        ("rearrange", "a b -> b a", (), {}),
        ("rearrange", "a b c", (), {}),
        ("rearrange", "a b c -> a b", (), {}),
        ("rearrange", "a b c -> a b c d", (), {}),
        ("rearrange", "a (b c) d -> a b c d", (), {}),
        ("rearrange", "a (b c) d -> a b c d", (), {"b": 2}),
        ("rearrange", "a b c -> (a b c", (), {}),
        ("rearrange", "a a c -> a c", (), {}),
        ("reduce", "a b c -> a", ("median",), {}),
        ("repeat", "a b c -> a b c n", (), {}),
        ("rearrange", "a b c -> a b c", (), {"z": 3}),
    ],
)
def test_einops_bad_patterns_say_what_is_wrong(name, pattern, more, lengths):
    with pytest.raises(lucid.einops.EinopsError):
        getattr(lucid.einops, name)(lucid.zeros(2, 3, 4), pattern, *more, **lengths)


def test_the_einops_library_takes_tensors():
    einops = pytest.importorskip("einops")
    x = lucid.arange(24).reshape(2, 3, 4).float().requires_grad_()
    y = einops.rearrange(x, "a b c -> c (a b)")
    assert_close(y, lucid.einops.rearrange(x, "a b c -> c (a b)"))
    einops.reduce(y, "c ab -> c", "mean").sum().backward()
    assert_close(x.grad, lucid.full((2, 3, 4), 1 / 6))
    assert einops.repeat(x, "a b c -> a (b n) c", n=2).shape == (2, 6, 4)
    assert einops.reduce(x, "a b c -> a", "prod").shape == (2,)
    packed, shapes = einops.pack([x, x[:, :, 0]], "a *")
    ours, same = lucid.einops.pack([x, x[:, :, 0]], "a *")
    assert_close(packed, ours)
    assert [tuple(s) for s in shapes] == same
    for a, b in zip(einops.unpack(packed, shapes, "a *"), lucid.einops.unpack(ours, same, "a *"), strict=True):
        assert_close(a, b)
    assert einops.einsum(x, x, "a b c, a b c -> a").shape == (2,)


@pytest.mark.parametrize("first", ["einops", "lucid"])
def test_the_order_of_imports_does_not_matter(first):
    pytest.importorskip("einops")
    second = {"einops": "lucid", "lucid": "einops"}[first]
    code = f"import {first}, {second}; print(einops.rearrange(lucid.ones(2, 3), 'a b -> b a').shape)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "lucid.Size([3, 2])"


def test_packing_says_what_is_wrong():
    x = lucid.zeros(2, 5)
    for call in (
        lambda: lucid.einops.pack([x], "a b"),
        lambda: lucid.einops.pack([lucid.zeros(())], "a *"),
        lambda: lucid.einops.unpack(x, [(3,), (4,)], "a *"),
        lambda: lucid.einops.unpack(x, [(-1,), (-1,)], "a *"),
        lambda: lucid.einops.parse_shape(x, "a b c"),
    ):
        with pytest.raises(lucid.einops.EinopsError):
            call()
    assert [t.shape for t in lucid.einops.unpack(x, [(), (-1,)], "a *")] == [(2,), (2, 4)]
    assert lucid.einops.parse_shape(lucid.zeros(2, 3, 4), "a ...") == {"a": 2}

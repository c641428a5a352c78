"""Random programs of views, writes, hooks and higher derivatives give in PyTorch what they give here, in float64."""

import random

import numpy as np
import pytest

import lucid
from reference import needs_torch, torch

VIEWS = "transpose select narrow step reshape real imag as_real as_complex conj expand diagonal unsqueeze detach movedim".split()
CHANGES = "transpose_ unsqueeze_ squeeze_ swapaxes_".split()
WRITES = "mul_ add_ zero_ fill_ copy_ sub_ setitem sin_ masked_fill_ index_add_ add_self".split()
FUNCTIONS = "sin abs2 mul add sum exp clone matmul cat where cumsum".split()


def viewed(xp, t, what, i):
    shape, n = tuple(t.shape), t.ndim
    if what == "as_complex":
        return xp.view_as_complex((t * 1).contiguous()) if not t.is_complex() and n and shape[-1] == 2 else None
    if what in ("real", "imag", "as_real") and not t.is_complex():
        return None
    if (what in ("transpose", "diagonal", "movedim") and n < 2) or (what in ("select", "narrow", "step") and not n):
        return None
    return {
        "transpose": lambda: t.transpose(i % n, (i // 7) % n),
        "select": lambda: t.select(i % n, (i // 7) % shape[i % n]),
        "narrow": lambda: t.narrow(i % n, 0, max(1, shape[i % n] - 1)),
        "step": lambda: t[..., ::2],
        "reshape": lambda: t.reshape(-1),
        "real": lambda: t.real,
        "imag": lambda: t.imag,
        "as_real": lambda: None if t.is_conj() else xp.view_as_real(t),
        "conj": t.conj,
        "expand": lambda: t.unsqueeze(0).expand(2, *shape),
        "diagonal": lambda: t.diagonal(0, 0, 1),
        "unsqueeze": lambda: t.unsqueeze(i % (n + 1)),
        "detach": t.detach,
        "movedim": lambda: t.movedim(0, -1),
    }[what]()


def changed(t, what, i):
    n = t.ndim
    if what == "unsqueeze_":
        t.unsqueeze_(i % (n + 1))
    elif what == "squeeze_":
        t.squeeze_()
    elif n >= 2:
        t.transpose_(i % n, (i // 7) % n) if what == "transpose_" else t.swapaxes_(0, 1)


def written(xp, t, what, i, c, other):
    fits = other.real if other.is_complex() and not t.is_complex() else other
    if what in ("mul_", "add_"):
        getattr(t, what)(c)
    elif what == "fill_":
        t.fill_(0.5)
    elif what in ("zero_", "sin_"):
        getattr(t, what)()
    elif what == "copy_":
        t.copy_(fits.reshape(-1)[0] * c)
    elif what == "sub_" and other.shape == t.shape:
        t.sub_(fits * c)
    elif what == "setitem" and t.ndim:
        t[i % t.shape[0]] = c[i % t.shape[0]] * fits.sum()
    elif what == "masked_fill_":
        t.masked_fill_(c.real > 0, 0.25)
    elif what == "index_add_" and t.ndim:
        t.index_add_(0, xp.tensor([i % t.shape[0]]), c[:1])
    elif what == "add_self":
        t.add_(t * 0.5)


def computed(xp, t, what, c, other):
    if what == "mul":
        return t * other if other.shape == t.shape else None
    if what == "where":
        return xp.where(c.real > 0, t, t * 2)
    if what in ("matmul", "cat", "cumsum") and t.ndim < 2:
        return None
    return {
        "sin": t.sin, "clone": t.clone, "abs2": lambda: (t * t.conj()).real, "add": lambda: t + other.mean(), "exp": lambda: (t * 0.1).exp(),
        "sum": lambda: t.sum(0) if t.ndim else t * 1, "matmul": lambda: t @ c.reshape(c.shape)[(0,) * (t.ndim - 2)].mT,
        "cat": lambda: xp.cat([t, t * 2], 0), "cumsum": lambda: t.cumsum(0),
    }[what]()  # fmt: skip


def program(xp, seed):
    """The values, gradients and retained gradients of the program of this seed."""
    r, g = random.Random(seed), np.random.default_rng(seed)

    def const(shape, is_complex):
        a = g.standard_normal(tuple(shape)) + (1j * g.standard_normal(tuple(shape)) if is_complex else 0)
        return xp.tensor(a.tolist(), dtype=xp.complex128 if is_complex else xp.float64).reshape(tuple(shape))

    leaves = [const((2, 3) if r.random() < 0.5 else (2, 2, 2), r.random() < 0.5).requires_grad_() for _ in range(2)]
    pool, kept, several, turned, views, cross = [x * 1 for x in leaves], [], set(), set(), set(), set()
    refused = []
    for step in range(r.randint(4, 12)):
        k, i, j, kind = r.randrange(len(pool)), r.randrange(1 << 20), r.randrange(1 << 20), r.random()
        t, other, c = pool[k], pool[j % len(pool)], const(pool[k].shape, pool[k].is_complex())
        try:
            if kind < 0.4:
                what = VIEWS[i % len(VIEWS)]
                new = viewed(xp, t, what, j)
                if new is not None:
                    pool.append(new)
                    views.add(len(pool) - 1)
                    if what == "expand" or k in several:
                        several.add(len(pool) - 1)  # one place of memory, several elements: not to be written to
                    if what in ("real", "imag", "as_real", "as_complex", "conj"):
                        cross.add(len(pool) - 1)
            elif kind < 0.5:
                # PyTorch's gradients are wrong where conjugates and views of another dtype change shape in place: it says so in
                # its tests. (Finite differences agree with ours.)
                if not cross and not any(t is m for m in kept):
                    changed(t, CHANGES[i % len(CHANGES)], j)
                    turned.add(k)
            elif kind < 0.75:
                if k not in several:
                    written(xp, t, WRITES[i % len(WRITES)], j, c, other)
            elif kind < 0.9:
                new = computed(xp, t, FUNCTIONS[i % len(FUNCTIONS)], c, other)
                if new is not None:
                    pool.append(new)
            elif t.requires_grad and not t.is_leaf and k not in turned:
                if kind < 0.95:
                    t.retain_grad()
                    kept.append(t)
                elif k not in views:
                    t.register_hook(lambda grad, factor=i % 7 - 3: grad * factor)
        except RuntimeError:
            refused.append(step)
    results = [p.detach() * 1 for p in pool]
    loss = 0.0
    for n, p in enumerate(pool):
        if p.requires_grad:
            weighed = (p * const(p.shape, p.is_complex())).real if p.is_complex() else p * const(p.shape, False)
            loss = loss + ((weighed * weighed).sum() if n % 2 else weighed.sin().sum())
    try:
        for _ in range(
            r.randrange(3) if hasattr(loss, "shape") else 0
        ):  # so many times the gradients make the next loss
            found = xp.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
            results += [xp.zeros_like(x) if v is None else v.detach() * 1 for v, x in zip(found, leaves, strict=True)]
            loss = sum(
                ((v * v.conj()).real.sin() if v.is_complex() else v * 0.3 + v * v).sum() for v in found if v is not None
            )
        if getattr(loss, "requires_grad", False):
            loss.backward()
        results += [xp.zeros_like(x) if x.grad is None else x.grad for x in leaves]
        results += [xp.zeros(()) if t.grad is None else t.grad for t in kept]
    except RuntimeError:
        refused.append("backward")
    return refused, [np.array(v.detach().tolist()).reshape(tuple(v.shape)) for v in results]


@needs_torch
@pytest.mark.parametrize("block", range(8))
@pytest.mark.filterwarnings("ignore")
def test_random_programs_are_pytorchs(block):
    for seed in range(50 * block, 50 * block + 50):
        refused, expected = program(torch, seed)
        again, got = program(lucid, seed)
        if "backward" in refused:  # PyTorch counts versions of tensors, lucid asks whether memory was overwritten
            continue
        assert again == refused, seed
        assert len(got) == len(expected) or not any(v.any() for v in expected[len(got) :]), seed
        for place, (a, b) in enumerate(zip(got, expected, strict=False)):
            where = f"seed {seed}, result {place}"
            if not b.shape and not b.any():
                assert not a.any(), where
            elif np.isfinite(b).all() and np.abs(b).max(initial=0) < 1e5:
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8, err_msg=where)


def test_a_conjugate_follows_and_writes_through():
    x = lucid.tensor([1 + 2j, 3 - 1j])
    y = x.conj()
    x.mul_(2)
    assert y.tolist() == [2 - 4j, 6 + 2j] and y.is_conj() and y.imag.is_neg() and not y.conj().is_conj()
    y[0] = 5 + 1j
    y.imag.add_(1)
    assert x.tolist() == [5 - 2j, 6 - 3j]
    y.resolve_conj().zero_()
    assert x.tolist() == [5 - 2j, 6 - 3j]
    leaf = lucid.tensor([[1 + 2j, 3 - 1j]], requires_grad=True)
    (turned := (base := leaf * 1).mH).mul_(lucid.tensor([[2.0], [3.0]]))
    assert base.tolist() == [[2 + 4j, 9 - 3j]]
    (turned * turned).sum().real.backward()
    assert leaf.grad.tolist() == [[8 - 16j, 54 + 18j]]
    with pytest.raises(RuntimeError, match="unresolved conjugated"):
        lucid.view_as_real(turned)


def test_a_pair_seen_as_one_complex_number_has_both_gradients():
    x = lucid.tensor([1.0, 2.0], dtype=lucid.float64, requires_grad=True)
    (lucid.view_as_complex(x) * (2 - 3j)).real.backward()
    assert x.grad.tolist() == [2.0, 3.0]


def test_transposing_a_complex_view_in_place_turns_its_gradient():
    """By the definition of the derivative; PyTorch's own gradient is not transposed here."""
    x = lucid.ones(2, 2, dtype=lucid.complex128, requires_grad=True)
    seen = lucid.view_as_real(x.clone())
    seen.transpose_(0, 1)
    seen += 1
    seen.backward(lucid.arange(8.0, dtype=lucid.float64).reshape(2, 2, 2))
    assert x.grad.tolist() == [[1j, 4 + 5j], [2 + 3j, 6 + 7j]]


@pytest.mark.parametrize("view", [lambda t: t, lambda t: t[:]])
def test_retained_gradients_are_of_the_latest_values(view):
    x = lucid.tensor([1.0, 2.0], requires_grad=True)
    base = x * 1
    t = view(base)
    t.retain_grad()
    t.retain_grad()
    t.mul_(3)
    assert t.retains_grad
    (t * 2).sum().backward()
    assert t.grad.tolist() == [2.0, 2.0] and x.grad.tolist() == [6.0, 6.0]
    other = view(x * 1)
    other.retain_grad()
    other.unsqueeze_(0)
    (other * 5).sum().backward()
    assert other.grad.tolist() == [5.0, 5.0]  # of the values as they lay when it was asked for


def test_what_detach_refuses_is_a_view_that_shows():
    x = lucid.ones(2, 2, requires_grad=True)
    base = x * 1
    assert not (x @ lucid.ones(2)).detach_().requires_grad
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        base[0].detach_()


@pytest.mark.parametrize("scope", [lucid.no_grad, lucid.enable_grad])
def test_generators_keep_their_mode_through_send_throw_and_close(scope):
    inside = scope is lucid.enable_grad
    seen = []

    @scope()
    def steps():
        try:
            while True:
                try:
                    seen.append(lucid.is_grad_enabled())
                    seen.append((yield len(seen)))
                except KeyError:
                    seen.append(lucid.is_grad_enabled())
        finally:
            seen.append(lucid.is_grad_enabled())

    with lucid.set_grad_enabled(not inside):
        run = steps()
        next(run)
        run.send("sent")
        run.throw(KeyError)
        assert lucid.is_grad_enabled() is not inside
        run.close()
    assert seen == [inside, "sent", inside, inside, inside, inside]


def test_saved_numbers_are_not_packed_and_packing_must_not_write():
    def refuse(t):
        raise AssertionError("a Python number is no saved tensor")

    x = lucid.ones(3, requires_grad=True)
    with lucid.autograd.graph.saved_tensors_hooks(refuse, refuse):
        (x * 3).sum().backward()
    with (
        lucid.autograd.graph.saved_tensors_hooks(lambda t: t.add_(1), lambda t: t),
        pytest.raises(RuntimeError, match="modifying its input in place"),
    ):
        x.sin().exp()


def test_hooks_of_leaves_run_as_soon_as_their_gradient_is_there():
    log = []
    t, u = lucid.ones(2, requires_grad=True), lucid.ones(2, requires_grad=True)
    t.register_post_accumulate_grad_hook(lambda p: log.append("t"))
    u.register_hook(lambda g: log.append("u"))
    a = t * 2
    b = a.sin()
    b.register_hook(lambda g: log.append("b"))
    node = a.grad_fn.next_functions[0][0]
    node.register_hook(lambda inputs, outputs: log.append("after t"))
    node.register_prehook(lambda outputs: log.append("before t"))
    (b * u).sum().backward(retain_graph=True)
    assert log == ["u", "b", "before t", "t", "after t"]
    log.clear()
    lucid.autograd.grad((b * u).sum(), t)
    assert log == ["b"]
    u.register_post_accumulate_grad_hook(lambda p: p.grad)
    with pytest.raises(RuntimeError, match="should return None"):
        (u * 2).sum().backward()


def test_duals_become_ordinary_when_their_level_is_left():
    forward = lucid.autograd.forward_ad
    x, v = lucid.tensor([1.0, 2.0]), lucid.tensor([3.0, 4.0])
    with forward.dual_level() as level:
        assert level == forward._current_level == 0
        y = forward.make_dual(x, v) * x
        assert forward.unpack_dual(y).tangent.tolist() == [3.0, 8.0]
        for call, message in (
            (forward.enter_dual_level, "Nested"),
            (lambda: forward.make_dual(x, y), "itself has a forward gradient"),
            (lambda: forward.make_dual(y, v), "already has a forward gradient"),
            (lambda: forward.make_dual(x, lucid.ones(3)), "different size"),
        ):
            with pytest.raises(RuntimeError, match=message):
                call()
        with pytest.raises(ValueError, match="floating point or complex"):
            forward.make_dual(lucid.tensor([1]), v)
    assert forward._current_level == -1
    assert forward.unpack_dual(y).tangent is None
    assert (y * 2 + x).tolist() == [3.0, 10.0] and y.sort()[0].tolist() == [1.0, 4.0]
    with pytest.raises(RuntimeError, match="no level exists"):
        forward.make_dual(x, v)


def test_gradients_by_name_and_second_derivatives_refused():
    x, y = lucid.tensor(2.0, requires_grad=True), lucid.tensor(3.0, requires_grad=True)
    found = lucid.autograd.grad(x * y, {"x": x, "y": y})
    assert {k: v.item() for k, v in found.items()} == {"x": 3.0, "y": 2.0}
    source = lucid.zeros(2, dtype=lucid.float64, requires_grad=True)
    out = lucid.ones(1, dtype=lucid.float64).scatter_reduce(0, lucid.tensor([0, 0]), source, "prod")
    with pytest.raises(RuntimeError, match="Double backward is unsupported"):
        lucid.autograd.grad(out, source, create_graph=True)


def test_gradcheck_sees_outputs_that_change_and_backward_that_varies():
    x = lucid.ones(2, dtype=lucid.float64, requires_grad=True)
    for fast in (True, False):
        with pytest.raises(AssertionError, match="same shape when inputs are perturbed"):
            lucid.autograd.gradcheck(lambda t: lucid.cat([t, t]) if (t >= 1).all() else t, x, fast_mode=fast)
        with pytest.raises(RuntimeError, match="expected to be zero"):
            lucid.autograd.gradcheck(lambda t: t.detach() * 2, x, fast_mode=fast)
        calls = []

        def varying(t, calls=calls):
            out = t * 1
            out.register_hook(lambda g: g * (1 + 1e-6 * (calls.append(0) or len(calls))))
            return out

        with pytest.raises(RuntimeError, match="not reentrant"):
            lucid.autograd.gradcheck(varying, x, fast_mode=fast)

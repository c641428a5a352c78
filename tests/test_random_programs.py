"""Random programs on every device, step by step the same as on cpu: values, dtypes, shapes, errors, gradients.

A program draws tensors of many dtypes and shapes (empty and 0-d ones too), calls ops that fit or do not fit, takes views,
writes in place, and calls backward at the end. What a device may do otherwise is in ``allowed``.
"""

import random

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F

pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = ["float32"] * 6 + ["int64"] * 2 + ["int32", "uint8", "bool", "float16", "bfloat16", "float64", "complex64"]


def mask(x):
    return (x.real if x.is_complex() else x) > 0


def put(key):
    def run(x, y, k, s):
        x[key(x, k)] = s

    return run


def at(x, *where):
    return lucid.tensor([abs(w) % max(x.shape[0], 1) if x.ndim else 0 for w in where], device=x.device)


PLAIN = """neg abs exp tanh sigmoid relu sqrt log sin sign square floor round erf reciprocal expm1 isnan logical_not bool int
    float half mT contiguous clone detach flatten sum mean prod amax argmin any all std max min softmax:-1 logsumexp:-1
    log_softmax:-1 sort argsort unique nonzero diff rsqrt trunc frac isfinite sgn angle cumsum:0 cumprod:0 cummax:0 flip:0
    topk:2 squeeze unsqueeze:0 view:-1 tril logcumsumexp:0 diagonal chunk:2 bernoulli_:0.0 sum:-1 var:0 exp_ zero_ relu_
    clamp_:-1:2 t_ floor_ sqrt_ squeeze_ imag norm median""".split()
LAYERS = "softplus gelu silu elu hardswish leaky_relu mish hardtanh logsigmoid glu normalize".split()
PAIRS = """add sub mul div floor_divide remainder pow eq lt maximum minimum atan2 matmul bitwise_and logical_xor fmod hypot
    copysign logaddexp outer dot lerp:0.3 xlogy heaviside gcd add_ mul_ copy_ where""".split()


def plain(name):
    name, *given = name.split(":")
    given = [float(g) if "." in g else int(g) for g in given]
    return lambda x, y, k, s: getattr(x, name)(*given)


def pair(name):
    name, *given = name.split(":")
    if name == "where":
        return lambda x, y, k, s: lucid.where(mask(x), x, y)
    return lambda x, y, k, s: getattr(x, name)(y, *map(float, given))


STEPS = {
    **{name: plain(name) for name in PLAIN},
    **{name: (lambda x, y, k, s, name=name: getattr(F, name)(x)) for name in LAYERS},
    **{name: pair(name) for name in PAIRS},
    "+ s": lambda x, y, k, s: x + s, "s / x": lambda x, y, k, s: s / x, "x ** s": lambda x, y, k, s: x**s,
    "s ** x": lambda x, y, k, s: s**x, "x // s": lambda x, y, k, s: x // int(s), "x % s": lambda x, y, k, s: x % (s or 1),
    "list + x": lambda x, y, k, s: x.__radd__([1.0, 2.0]), "np + x": lambda x, y, k, s: np.float32(2) + x,
    "x @ x.mT": lambda x, y, k, s: x @ x.mT, "cat": lambda x, y, k, s: lucid.cat([x, y], -1),
    "stack": lambda x, y, k, s: lucid.stack([x, x * 2], k), "linear": lambda x, y, k, s: F.linear(x, y),
    "layer_norm": lambda x, y, k, s: F.layer_norm(x.float(), x.shape[-1:]), "mse": lambda x, y, k, s: F.mse_loss(x, y),
    "x[k]": lambda x, y, k, s: x[k], "x[k:]": lambda x, y, k, s: x[k:][:2], "x[..., 0]": lambda x, y, k, s: x[..., 0],
    "x[None]": lambda x, y, k, s: x[None, ..., None], "x[mask]": lambda x, y, k, s: x[mask(x)],
    "x[ids]": lambda x, y, k, s: x[at(x, k, 0)], "x[ids, 0]": lambda x, y, k, s: x[at(x, k, 0), 0],
    "x[[0, -1]]": lambda x, y, k, s: x[[0, -1]], "x[::2]": lambda x, y, k, s: x[::2, ...],
    "gather": lambda x, y, k, s: x.gather(0, lucid.zeros_like(x, dtype=lucid.int64)),
    "index_add": lambda x, y, k, s: x.index_add(0, at(x, k, 0), x[at(x, 0, k)]),
    "scatter_add": lambda x, y, k, s: x.scatter_add(0, lucid.zeros_like(x, dtype=lucid.int64), x),
    "unbind": lambda x, y, k, s: x.unbind(k), "roll": lambda x, y, k, s: x.roll(k, 0), "repeat": lambda x, y, k, s: x.repeat(2, *[1] * x.ndim),
    "pad": lambda x, y, k, s: F.pad(x, (1, k), value=1), "unfold": lambda x, y, k, s: x.unfold(0, 2, 1),
    "expand": lambda x, y, k, s: x.expand(2, *x.shape), "transpose": lambda x, y, k, s: x.transpose(0, k),
    "masked_fill": lambda x, y, k, s: x.masked_fill(mask(x), s), "masked_fill_": lambda x, y, k, s: x.masked_fill_(x == x, s),
    "x[k:] = s": put(lambda x, k: slice(k, None)), "x[k] = s": put(lambda x, k: k), "x[mask] = s": put(lambda x, k: mask(x)),
    "x[ids] = s": put(lambda x, k: at(x, k)), "view.add_": lambda x, y, k, s: x.view(-1)[:2].add_(s),
    "T.mul_": lambda x, y, k, s: x.mT.mul_(s), "diagonal.fill_": lambda x, y, k, s: x.diagonal().fill_(s),
    "index_put": lambda x, y, k, s: x.index_put((at(x, k, k),), y, accumulate=True), "x[:] = y": lambda x, y, k, s: x.__setitem__(slice(None), y),
    "scatter_": lambda x, y, k, s: x.scatter_(0, lucid.zeros(1, *x.shape[1:], dtype=lucid.int64, device=x.device), s),
    "addcmul_": lambda x, y, k, s: x.addcmul_(y, y, value=0.5), "out=": lambda x, y, k, s: lucid.add(x, y, out=x),
    "SGD": lambda x, y, k, s: stepped(x, lucid.optim.SGD, momentum=0.9), "Adam": lambda x, y, k, s: stepped(x, lucid.optim.Adam),
}  # fmt: skip


def stepped(x, kind, **options):
    """A parameter after two steps."""
    w = x.detach().float().nan_to_num(0, 0, 0).clamp(-3, 3).requires_grad_()
    opt = kind([w], lr=0.1, **options)
    for _ in range(2):
        opt.zero_grad()
        (w * w).sum().backward()
        opt.step()
    return w.detach()


def fresh(chooser, numbers, device):
    shape = tuple(
        chooser.choice([1, 2, 3, 3, 4, 0] if chooser.random() < 0.1 else [1, 2, 3])
        for _ in range(chooser.randint(0, 3))
    )
    kind = chooser.choice(KINDS)
    a = (
        numbers.integers(0 if kind == "uint8" else -4, 5, shape)
        if kind.startswith(("int", "uint"))
        else numbers.standard_normal(shape) * 2
    )
    t = lucid.tensor(np.asarray(a > 0 if kind == "bool" else a)).to(getattr(lucid, kind)).to(device)
    return t.requires_grad_() if t.is_floating_point() and chooser.random() < 0.5 else t


def host(t):
    """As NumPy; None if the device tells only now that an index was out of range."""
    try:
        t = t.detach().to("cpu")
        return (t.float() if t.dtype.itemsize == 2 else t).numpy()
    except IndexError:
        return None


def run(seed, device):
    """What each step gave: an error's type, or dtype, shape and whether it requires grad; then all values and gradients."""
    chooser, numbers = random.Random(seed), np.random.default_rng(seed)
    tensors = [fresh(chooser, numbers, device) for _ in range(4)]
    leaves = [t for t in tensors if t.requires_grad]
    story = []
    for _ in range(chooser.randint(4, 14)):
        name = chooser.choice(list(STEPS))
        x, y = chooser.choice(tensors[-8:]), chooser.choice(tensors[-8:])
        k, s = chooser.randint(-3, 3), chooser.choice([0.5, 2, -1, 3, True, 1e3, 0, -2.5])
        try:
            out = STEPS[name](x, y, k, s)
        except Exception as problem:
            story.append((name, type(problem), str(problem)))
            continue
        out = next((o for o in out if isinstance(o, lucid.Tensor)), None) if isinstance(out, tuple | list) else out
        if isinstance(out, lucid.Tensor) and out.numel() < 3000:
            assert out.device.type == device
            tensors.append(out)
            story.append((name, out.dtype, tuple(out.shape), out.requires_grad))
        else:
            story.append((name, type(out)))
    used = [t for t in tensors if t.requires_grad][-4:]
    try:
        sum((t.abs() if t.is_complex() else t).float().nan_to_num(0, 0, 0).clamp(-5, 5).sum() for t in used).backward()
    except Exception as problem:
        story.append(("backward", type(problem), str(problem)))
        leaves = []
    return (
        story,
        [(t.dtype, host(t)) for t in tensors],
        [None if t.grad is None else (t.grad.dtype, host(t.grad)) for t in leaves],
    )


def allowed(step, other):
    """Where a device does not do what cpu does: checks that would wait, complex128, writes that spoil nothing there."""
    text = f"{step} {other}"
    return any(
        word in text
        for word in (
            "ZeroDivision",
            "negative integer powers",
            "complex128",
            "modified by an inplace",
            "found on the device",
        )
    )


def close(a, b, loose):
    if a is None or b is None or a.dtype.kind in "biu":
        return a is None or b is None or np.array_equal(a, b)
    scale = np.nanmax(np.where(np.isfinite(a), abs(a), 0), initial=0)
    return np.allclose(a, b, rtol=loose, atol=loose * (1 + scale), equal_nan=True)


LOOSE = {"float16": 1e-2, "bfloat16": 8e-2, "float64": 1e-5}
ABRUPT = {
    "floor_divide",
    "remainder",
    "fmod",
    "floor",
    "round",
    "trunc",
    "frac",
    "x // s",
    "x % s",
    "int",
    "sign",
    "eq",
    "lt",
    "floor_",
}


def differs(expected, found):
    """The first difference of two runs, or None."""
    for step, other in zip(expected[0], found[0], strict=False):
        if (
            isinstance(step[1], type)
            and isinstance(other[1], type)
            and issubclass(step[1], Exception)
            and issubclass(other[1], Exception)
        ):
            if issubclass(step[1], other[1]) or issubclass(other[1], step[1]):
                continue
        if step != other:
            return None if allowed(step, other) else (step, other)
    loose = 2e-4
    for (kind, a), (_, b) in zip(expected[1], found[1], strict=True):
        loose = max(loose, LOOSE.get(kind.name, 0))  # what was computed with half precision is no better
        if not close(a, b, loose):
            return None if ABRUPT & {s[0] for s in expected[0]} else (kind, a, b)
    for a, b in zip(expected[2], found[2], strict=False):
        if (a is None) != (b is None) or (a is not None and (a[0] is not b[0] or not close(a[1], b[1], 20 * loose))):
            return "gradient", a, b
    return None


@pytest.mark.parametrize("seed", range(0, 400, 40))
def test_forty_programs(device, seed):
    for s in range(seed, seed + 40):
        expected = run(s, "cpu")
        found = differs(expected, run(s, device))
        assert found is None, f"program {s}: {found}\n" + "\n".join(map(str, expected[0]))

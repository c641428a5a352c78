"""Subclasses of Tensor and classes with ``__torch_function__``: programs by lucid and by torch.

Lucid runs them in a process of its own, since the first subclass puts wrappers in place of lucid's functions.
"""

import contextlib
import inspect
import io
import json
import subprocess
import sys

import pytest

from reference import needs_torch, torch

PROGRAMS = {
    "results are of the subclass": """
class S(T.Tensor): pass
F = T.nn.functional
a, b = S([1.0, 2.0]), T.ones(2)
T.manual_seed(0)
layers = T.nn.Sequential(T.nn.Linear(2, 2), T.nn.Tanh())
show(a, a + 1, 1 + a, b - a, T.add(b, a), T.sin(a), a.sum(), a[0], a.T, a.view(2, 1), T.cat([b, a]), F.relu(a), a.max(0)[0])
show(a.split(1)[0], T.where(a > 0, a, b), a == b, -a, a @ b, a.to(T.float64), *a, layers(a), T.nn.MSELoss()(a, b), a.detach())
a.add_(1)
a[0] = 5
a *= 2
show(a)
print(a.tolist(), [type(v).__name__ for v in a.max(0)])
""",
    "gradients": """
class S(T.Tensor): pass
x = T.ones(3).as_subclass(S).requires_grad_()
y = (x * 2).sin().sum()
y.backward()
w = T.ones(3, requires_grad=True)
s = (w * 2).as_subclass(S)
(s * s).sum().backward()
show(x, y, s, x.grad)
print([round(v, 4) for v in x.grad.tolist()], w.grad.tolist())
""",
    "parameters give tensors": """
import copy
class P(T.nn.Parameter): pass
p, q = T.nn.Parameter(T.ones(2)), P(T.ones(2))
show(p * 2, p[0], p.clone(), T.sin(p), copy.deepcopy(p), q * 2, copy.deepcopy(q).detach())
""",
    "log": """
log = []
class L(T.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is not T.Tensor.__repr__:
            log.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})
a = L([[1.0, 2.0], [3.0, 4.0]])
r = T.sum(T.mm(a, a) + a)
a.sin().cos()
T.nn.functional.gelu(a)
print([n for n in log if n != "__get__"], float(r))
""",
    "metadata": """
class M(T.Tensor):
    @staticmethod
    def __new__(cls, x, meta=None):
        t = T.Tensor._make_subclass(cls, T.as_tensor(x), False)
        t.meta = meta
        return t
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        r = super().__torch_function__(func, types, args, kwargs or {})
        metas = [a.meta for a in args if isinstance(a, M) and hasattr(a, "meta")]
        if isinstance(r, M) and metas:
            r.meta = metas[0]
        return r
m = M([1.0, 2.0], "hello")
print((m * 2).meta, T.add(m, 1).meta, m.sum().meta)
show(m, m * 2)
""",
    "operators by the names of methods": """
import numpy
told = []
class L(T.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        told.append((func.__name__, [k for k in METHODS if func is getattr(T.Tensor, k)], [type(a).__name__ for a in args]))
        return super().__torch_function__(func, types, args, kwargs or {})
class Foreign:
    def __radd__(self, x):
        return "radd"
METHODS = "add sub mul div neg matmul lt le gt ge ne remainder abs add_ sub_ mul_ div_ __getitem__ __rsub__ __eq__ __floordiv__".split()
t, x, i = L([[1.0, 2.0], [3.0, 4.0]]), T.ones(2, 2), L(T.tensor([1, 2]))
values = [t + 1, 1 + t, x + t, t + x, t - 1, 1 - t, x - t, t * 2, 2 * t, t / 2, x / t, -t, t ** 2, 2 ** t, t @ t, x @ t, t < 1, t <= x, t > 1]
values += [t >= 1, t == 1, t != 1, t % 2, 3 % t, x % t, t // 2, 3 // t, abs(t), ~i, i | 1, i ^ 1, i << 1, i >> 1, t[0]]
t += 1
t -= x
t *= 2
t /= 4
print([v.tolist() for v in values], t.tolist(), float(t.as_subclass(L)[0, 0]), len(t), bool(t[0, 0]), 1 in t)
print(told)
print(t + Foreign())
""",
    "unrelated classes": """
class A(T.Tensor): pass
class B(A): pass
class C(T.Tensor): pass
a, b, c = A([1.0]), B([1.0]), C([1.0])
show(a + b, b + a)
try:
    a + c
except TypeError:
    print("TypeError")
""",
    "a class like a tensor": """
class Scalar:
    def __init__(self, n, value):
        self.n, self.value = n, value
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return HANDLED[func](*args, **(kwargs or {})) if func in HANDLED else NotImplemented
HANDLED = {}
try:
    T.mul(Scalar(5, 2), T.ones(1))
except TypeError:
    print("TypeError")
HANDLED[T.mean] = lambda x: x.value / x.n
HANDLED[T.add] = lambda x, y: "added"
print(T.mean(Scalar(5, 2)), T.add(Scalar(5, 2), T.ones(1)), T.add(T.ones(1), Scalar(5, 2)))
""",
    "overrides": """
import importlib
O = importlib.import_module(T.__name__ + ".overrides")
class S(T.Tensor): pass
class D:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__
def double(x):
    return O.handle_torch_function(double, (x,), x) if O.has_torch_function((x,)) else x * 2
print(O.has_torch_function((S([1.0]),)), O.has_torch_function((T.ones(1), T.nn.Parameter(T.ones(1)))), double(D()))
print(O.is_tensor_like(D()), O.is_tensor_like(3), O.is_tensor_method_or_property(T.Tensor.add), O.is_tensor_method_or_property(T.add))
""",
}
SHOW = """
def show(*xs):
    print([type(x).__name__ for x in xs])
"""


def printed_by(library, program):
    """What a program prints, here."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(SHOW + program, {"T": library, "__name__": "program"})
    return out.getvalue()


@pytest.fixture(scope="module")
def of_lucid():
    """What the programs print with lucid."""
    lines = [
        "import contextlib, importlib, io, json, warnings", "warnings.simplefilter('ignore')", f"SHOW = {SHOW!r}", f"programs = {PROGRAMS!r}",
        inspect.getsource(printed_by),
        "print(json.dumps({k: printed_by(importlib.import_module('lucid'), p) for k, p in programs.items()}))",
    ]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, of_lucid):
    assert of_lucid[name] == printed_by(torch, PROGRAMS[name])

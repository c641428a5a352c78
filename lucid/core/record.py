"""What the engine knows about an op: one record, made by a declarator (``core/op.py``) and listed in ``OPS``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..backends import backend_of_type, loaded
from . import dtypes
from .errors import DeviceError
from .graph import Node
from .step import conj
from .tensor import HOST as HOST

INPUTS = ("x", "y", "z", "w", "v", "u")
OPS: dict[str, Op] = {}
Rule = Callable[..., Any]


def _native(*wanted: dtypes.dtype) -> frozenset:
    """The backends' own dtype objects of these dtypes, so that the fast paths need no conversion."""
    return frozenset(b.native[d.name] for b in loaded() for d in wanted if d.name in b.native)


FLOATS = _native(dtypes.float32, dtypes.float64)
REAL = _native(*(d for d in dtypes.ALL if d.category != dtypes.COMPLEX))
REAL_AND_COMPLEX = _native(*dtypes.ALL)


def find_kernel(op: Op, array_type: type) -> Callable:
    """The op's kernel for arrays of this type, from the backend's table; kept in ``op.kernels``."""
    backend = backend_of_type(array_type)
    kernel = backend.kernel(op.name)
    if kernel is None:
        raise DeviceError(f"{op.name}: not available on {backend.name!r}; move the tensor with .to('cpu')")
    op.kernels[array_type] = kernel
    return kernel


class Op:
    """What the engine knows about an op. Made by a declarator, one per name, listed in ``OPS``."""

    __slots__ = (
        "arity", "call", "complex_form", "conjugates", "derivatives", "fast", "holomorphic", "joint", "jvp", "keep", "keep_out",
        "keeps", "keeps_values", "kernels", "kind", "masks", "name", "node_name", "params", "private_out", "promote", "promote_from", "put", "real_only",
        "rules", "step", "wants_shapes",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        kind: str,
        derivatives: tuple[Rule, ...] = (),
        *,
        joint: Rule | None = None,
        arity: int | None = None,
        params: tuple[str, ...] = (),
        promote: str | None = "same",
        promote_from: int = 0,
        holomorphic: bool = True,
        jvp: Rule | None = None,
        put: Callable | None = None,
        node_name: str | None = None,
        private_out: bool = False,
        real_only: bool = False,
    ):
        self.name, self.kind, self.derivatives, self.joint, self.params = name, kind, derivatives, joint, params
        self.promote, self.promote_from, self.holomorphic, self.jvp, self.put = (
            promote,
            promote_from,
            holomorphic,
            jvp,
            put,
        )
        self.real_only = real_only  # complex numbers have no order; of special functions only the real form is here
        self.private_out = private_out  # PyTorch keeps other things here: writing over the output must stay possible
        self.arity = arity if arity is not None else len(derivatives)
        self.node_name = node_name or "".join(w.capitalize() for w in name.split("_")) + "Backward0"
        wanted = [wanted_by(rule) for rule in (derivatives if joint is None else (joint,))]
        names = {n for rule_names in wanted for n in rule_names}
        self.keep = tuple(n in names or "xs" in names for n in INPUTS)
        self.keep_out = "out" in names
        self.masks = None if joint is not None else tuple((tuple(n in w for n in INPUTS), "out" in w) for w in wanted)
        self.keeps: dict[tuple[bool, ...], tuple[tuple[bool, ...], bool]] = {}  # what ``kept`` found, by who needs it
        self.wants_shapes = "shapes" in names or any(n.endswith("_shape") and n[0] in INPUTS for n in names)
        self.keeps_values = self.keep_out or any(self.keep)
        self.conjugates = False  # whether this is the complex form of another op
        self.rules = None if joint is not None else tuple(self._bind(i) for i in range(len(derivatives)))
        self.kernels: dict[type, Callable] = {}  # array type -> kernel; a plain dict is the fastest look-up
        self.fast: frozenset = frozenset()
        self.step: Callable | None = None  # written at the first backward, see ``core/step.py``
        self.complex_form: Op | None = None
        self.call: Callable[..., Any]  # set by the declarator

    def __repr__(self) -> str:
        return f"<op {self.name} ({self.kind})>"

    def keep_all(self, count: int) -> tuple[bool, ...]:
        """Which of ``count`` inputs are saved (an op of any number of inputs saves all or none)."""
        return self.keep[:count] if count <= len(self.keep) else (self.keep[0],) * count

    def kept(self, parents: Sequence[Any]) -> tuple[tuple[bool, ...], bool]:
        """Which inputs are saved, and whether the output is: what the rules of the inputs that require grad ask for."""
        if self.masks is None or len(parents) == 1:
            return self.keep_all(len(parents)), self.keep_out
        needs = tuple([p is not None for p in parents])
        found = self.keeps.get(needs)
        if found is None:
            asked = [mask for mask, need in zip(self.masks, needs, strict=False) if need]
            inputs = tuple(any(mask[0][i] for mask in asked) for i in range(len(needs)))
            found = self.keeps[needs] = inputs, any(mask[1] for mask in asked)
        return found

    def _source(self, name: str) -> str:
        """Where a rule's argument comes from: ``s`` is the node's saved tuple, ``p`` its static parameters."""
        if name in self.params:
            return f"p[{self.params.index(name)}]"
        if name == "out":
            return f"s[{self.arity}]"
        if name in INPUTS[: self.arity]:
            return f"s[{INPUTS.index(name)}]"
        if name.endswith("_shape") and name[0] in INPUTS[: self.arity]:
            return f"s[{self.arity + 1}][{INPUTS.index(name[0])}]"
        known = (*INPUTS[: self.arity], "out", "x_shape", *self.params)
        raise TypeError(f"op {self.name!r}: a rule asks for {name!r}; it can have xp, g and {', '.join(known)}")

    def source_of_rule(self, i: int) -> str:
        """The call of rule ``i`` with its arguments picked from a node's saved values ``s`` and parameters ``p``."""
        arguments = ", ".join(map(self._source, wanted_by(self.derivatives[i])))
        if self.conjugates:
            return f"conj(xp, rule{i}(xp, xp.conj(g), {arguments}))"
        return f"rule{i}(xp, g, {arguments})"

    def _bind(self, i: int) -> Rule:
        """Rule ``i`` as ``f(xp, g, saved, params)``, for those who want one input's derivative alone.

        Written out as source because picking arguments at run time costs 0.2 us; and at its first use, because
        writing out all of them would be a third of the time that ``import lucid`` takes.
        """
        call = self.source_of_rule(i)  # now, so that a wrong name is an error at once

        def first(xp: Any, g: Any, s: tuple, p: tuple) -> Any:
            bound = eval(f"lambda xp, g, s, p: {call}", {f"rule{i}": self.derivatives[i], "conj": conj})
            assert self.rules is not None
            self.rules = tuple(bound if r is first else r for r in self.rules)
            return bound(xp, g, s, p)

        return first

    def vjp(self, xp: Any, node: Node, g: Any, saved: tuple, create_graph: bool) -> Sequence[Any]:
        """All input gradients at once, for ops whose gradients share work or whose inputs are many."""
        assert self.joint is not None
        n = len(node.parents)
        given: dict[str, Any] = dict(zip(self.params, node.params, strict=True))
        given.update(zip(INPUTS, saved[:n], strict=False))
        given["xs"], given["needs"] = saved[:n], tuple(p is not None for p in node.parents)
        if len(saved) > n:
            given["out"] = saved[n]
        if len(saved) > n + 1:
            given["shapes"] = saved[n + 1]
            given.update((f"{name}_shape", shape) for name, shape in zip(INPUTS, saved[n + 1], strict=False))
        return self.joint(xp, g, *(given[name] for name in wanted_by(self.joint)))

    def conjugated(self) -> Op:
        """This op on complex arrays: for a holomorphic function the vjp is conj(rule(conj(g)))."""
        if self.complex_form is None:
            form = object.__new__(Op)
            for slot in Op.__slots__:
                setattr(form, slot, getattr(self, slot))
            form.step, form.conjugates = None, True
            if self.rules is not None:
                form.rules = tuple(form._bind(i) for i in range(len(self.rules)))
            else:
                joint = self.joint
                assert joint is not None
                form.joint = lambda xp, g, *a: [conj(xp, r) for r in joint(xp, xp.conj(g), *a)]
                form.joint.names = ("xp", "g", *wanted_by(joint))  # type: ignore[attr-defined]
            self.complex_form = form
        return self.complex_form


@functools.cache
def wanted_by(rule: Rule) -> tuple[str, ...]:
    names = getattr(rule, "names", None)  # of a wrapper: those of what it wraps
    if names is None:  # `inspect.signature` says the same and would double the time that `import lucid` takes
        code = rule.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if names[:2] != ("xp", "g"):
        raise TypeError(f"a derivative rule starts with (xp, g, ...); got ({', '.join(names)})")
    return names[2:]

"""Every name that the earlier Lucid has (``surface.tsv``: lucid, Tensor, linalg, fft, special, einops, autograd, func, random) is
here, and takes every parameter that it took: by its name, or in its place."""

import functools
import inspect
from pathlib import Path

import pytest

import lucid
from lucid.functions.registry import FIRST, SECOND, SPREAD, SYNONYMS

LINES = [line.split("\t") for line in (Path(__file__).parent / "surface.tsv").read_text().splitlines()[1:]]
NOT_HERE = {  # why: names
    "types for annotations only": """Char Complex Complex64 DTypeLike DeviceLike Double Float Float16 Float32 Float64 Half HasShape
        Int Int16 Int32 Int64 Int8 Long Numeric Scalar ShapeLike Short StateDict SupportsGrad SupportsNumpyConversion TensorLike
        TensorLikeProtocol TensorOrScalar bool_ dtypes types""",
    "Apple's hardware alone": "metal Tensor.metal Tensor.gpu",
    "the predecessor's engine and its memory": """Tensor.__new_from_impl__ Tensor._impl Tensor.impl Tensor.clear_node Tensor.copy_data
        Tensor.copy_grad Tensor.eval eval Tensor.free Tensor.is_free Tensor.is_all_free Tensor.flops Tensor.zero USE_BAKCWARD_FUSION
        USE_CPP_FUNC_OP is_storage port test""",
    "counted by lucid.summary": "count_flops flops_enabled grad_enabled",
    "lucid.core.errors": "BackwardError DeviceMismatchError UnknownDeviceError error",
    "lucid.save and lucid.load do it by the file's name": "load_safetensors save_safetensors load_sharded save_sharded",
    "rooms outside the vocabulary": """MODELS_REGISTRY_PATH data diffeq models profiler quantization register_model transforms visual
        weights""",
}
ABSENT = {name for names in NOT_HERE.values() for name in names.split()}
# `requires_grad_()` and `retain_grad()` say it; the rest are arguments that the predecessor took and ignored, or of its engine.
OTHERWISE = {"keep_grad", "requires_grad", "base_impl", "correction", "impl", "engine_dtype", "device", "dtype", "size"}


MISSING = "missing"


def test_every_name_is_there():
    missing = {f"{space}.{name}".removeprefix("lucid.") for space, name, *_ in LINES if _find(space, name) is MISSING}
    assert missing <= ABSENT, sorted(missing - ABSENT)


def _find(space, name):
    try:
        return functools.reduce(getattr, [*space.split(".")[1:], name], lucid)
    except AttributeError:
        return MISSING


def takes(f, parameter, position):
    inner = getattr(f, "__wrapped__", f)
    try:
        found = inspect.signature(inner).parameters
    except (TypeError, ValueError):
        return True
    if parameter in found or any(p.kind is p.VAR_KEYWORD for p in found.values()):
        return True
    if inner is not f:
        spread = next((p.name for p in found.values() if p.kind is p.VAR_POSITIONAL), None)
        known = (*SYNONYMS.get(parameter, ()), *([next(iter(found))] if parameter in FIRST else []))
        if (
            any(k in found for k in known)
            or (parameter in SECOND and len(found) > 1)
            or parameter in SPREAD.get(spread, ())
        ):
            return True
    places = [p for p in found.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return position < len(places) or any(p.kind is p.VAR_POSITIONAL for p in found.values())


@pytest.mark.parametrize("space", sorted({line[0] for line in LINES}))
def test_every_parameter_is_taken(space):
    refused = []
    for where, name, *rest in LINES:
        f = _find(where, name) if where == space else MISSING
        if f is MISSING or not callable(f) or not rest:
            continue
        skip = 1 if space == "lucid.Tensor" and not isinstance(f, type) else 0  # self
        for i, parameter in enumerate(rest[0].split()):
            if not takes(f, parameter, i + skip) and parameter not in OTHERWISE:
                refused.append(f"{name}({parameter})")
    assert not refused, refused


def test_other_names_of_arguments_mean_the_same():
    x = lucid.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert lucid.sum(a=x, axis=0, keepdims=True).tolist() == [[4.0, 6.0]]
    assert lucid.pow(x=x, exponent=2).tolist() == lucid.pow(input=x, other=2).tolist() == [[1, 4], [9, 16]]
    assert lucid.linalg.det(x=x).item() == lucid.linalg.det(A=x).item() == lucid.linalg.det(input=x).item()
    assert lucid.tril(x, k=-1).tolist() == [[0, 0], [3, 0]] and lucid.tile(x, reps=(1, 2)).shape == (2, 4)
    assert lucid.gather(x, 1, indices=lucid.tensor([[1], [0]])).tolist() == [[2], [3]]
    assert lucid.special.xlog1py(x=x, y=x).shape == (2, 2) and lucid.flatten(x, start_axis=0, end_axis=1).shape == (4,)
    with pytest.raises(TypeError, match="colour"):
        lucid.sum(x, colour=1)


def test_what_only_the_predecessor_has():
    x = lucid.tensor([-1.0, 2.0], requires_grad=True)
    for name in (
        "gelu",
        "silu",
        "mish",
        "relu6",
        "softplus",
        "hard_sigmoid",
        "hard_swish",
        "elu",
        "leaky_relu",
        "selu",
        "hardshrink",
    ):
        other = name.replace("hard_", "hard")
        assert getattr(x, name)().tolist() == getattr(lucid.nn.functional, other)(x).tolist(), name
    assert lucid.cube(x).tolist() == [-1.0, 8.0] and lucid.to_tensor([1.0], requires_grad=True).requires_grad
    x.sum().backward()
    x.zero_grad()
    assert x.grad is None
    y = lucid.tensor([1.0, 5.0])
    assert y.maximum_(lucid.tensor([3.0, 3.0])) is y and y.tolist() == [3.0, 5.0]

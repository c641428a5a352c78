"""Checkpoints: what goes in comes out, files of others are read without running them, nothing is half-written."""

import argparse
import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import lucid
from lucid.testing import assert_close
from reference import needs_torch, torch


def same(a, b):
    if isinstance(a, lucid.Tensor):
        return (
            isinstance(b, lucid.Tensor)
            and a.dtype is b.dtype
            and a.shape == b.shape
            and np.array_equal(a.detach().numpy(), b.detach().numpy(), equal_nan=a.dtype.is_floating_point)
        )
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a == b and type(a) is type(b)


DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_comes_back(tmp_path, name):
    x = lucid.from_numpy(np.arange(6).reshape(2, 3).astype(name))
    for data in (x, x[:, ::2], x[0, 0], x[:0]):
        lucid.save({"x": data}, tmp_path / "x.lucid")
        assert same(lucid.load(tmp_path / "x.lucid"), {"x": data.clone()})


def test_nested_plain_data_comes_back(tmp_path):
    tree = OrderedDict(
        a=[1, 2.5, float("inf"), None, True, "text"],
        b=({"x": lucid.ones(2)}, ()),
        c={1: {2, 3}, (1, 2): lucid.float16},
        d=1 + 2j,
    )
    lucid.save(tree, tmp_path / "t")
    assert same(lucid.load(tmp_path / "t"), tree)


def test_requires_grad_and_sharing_survive(tmp_path):
    w = lucid.ones(3, requires_grad=True)
    lucid.save([w, w.detach()], tmp_path / "w")
    a, b = lucid.load(tmp_path / "w")
    assert a.requires_grad and a.is_leaf and not b.requires_grad
    with lucid.no_grad():
        a.add_(1)
    assert b.tolist() == [2, 2, 2]


def test_what_cannot_be_pickled_is_refused_by_name(tmp_path):
    with pytest.raises(pickle.PicklingError, match=r"object\['model'\]\[0\] is a function"):
        lucid.save({"model": [lambda: None]}, tmp_path / "x")
    assert os.listdir(tmp_path) == []


def test_whole_models_as_programs_save_them(tmp_path):
    model = lucid.nn.Sequential(lucid.nn.Linear(2, 3), lucid.nn.BatchNorm1d(3), lucid.nn.Linear(3, 2))
    model.extra = model[0].weight  # one parameter under two names
    model.args = argparse.Namespace(lr=0.1)
    x = lucid.randn(4, 2)
    lucid.save(model, tmp_path / "model.pt")
    with pytest.raises(pickle.UnpicklingError, match=r"weights_only=False.*\[Sequential\]"):
        lucid.load(tmp_path / "model.pt")
    found = lucid.load(tmp_path / "model.pt", weights_only=False)
    assert_close(found(x), model(x))
    assert found.extra is found[0].weight and found.args.lr == 0.1 and found[1].running_mean.shape == (3,)
    lucid.optim.SGD(found.parameters(), lr=0.1).step()
    lucid.save({"model": model.state_dict(), "args": model.args}, tmp_path / "checkpoint.pt")
    with lucid.serialization.safe_globals([argparse.Namespace]):
        assert lucid.load(tmp_path / "checkpoint.pt")["args"] == model.args
    assert lucid.serialization.get_safe_globals() == []
    with pytest.raises(pickle.UnpicklingError, match="argparse.Namespace"):
        lucid.load(tmp_path / "checkpoint.pt")


def test_a_pickle_in_an_archive_is_not_run_either(tmp_path):
    lucid.save({"evil": Evil(tmp_path / "ran")}, tmp_path / "x")
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        lucid.load(tmp_path / "x")
    assert not (tmp_path / "ran").exists()


class Evil:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_map_location_as_a_function(tmp_path):
    lucid.save({"a": lucid.ones(2), "b": lucid.ones(3, dtype=lucid.float64)}, tmp_path / "x")
    seen = []

    def locate(storage, location):
        seen.append(location)
        return storage.double() if len(seen) == 1 else None

    found = lucid.load(tmp_path / "x", map_location=locate)
    assert seen == ["cpu", "cpu"] and found["a"].dtype is lucid.float64 and found["b"].tolist() == [1.0] * 3
    assert lucid.load(tmp_path / "x", map_location=lambda storage, location: storage)["a"].tolist() == [1.0, 1.0]


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    lucid.save({"a": 1}, path)
    with pytest.raises(pickle.PicklingError):
        lucid.save({"a": lambda: None}, path)
    assert lucid.load(path) == {"a": 1} and os.listdir(tmp_path) == ["x"]


def test_open_files_work():
    file = io.BytesIO()
    lucid.save({"a": lucid.arange(3)}, file)
    file.seek(0)
    assert lucid.load(file)["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:-40],
        lambda b: b[: len(b) // 2],
        lambda b: b"PK\x03\x04" + b"x" * 50,
        lambda b: b"",
        lambda b: b"hello world, no tensors",
    ],
)
def test_damaged_files_are_value_errors(tmp_path, damage):
    path = tmp_path / "x"
    lucid.save({"a": lucid.arange(300)}, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="load"):
        lucid.load(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        lucid.load(tmp_path / "none")
    with pytest.raises(RuntimeError, match="does not exist"):
        lucid.save({}, tmp_path / "none" / "x")


def test_a_pickle_is_never_run(tmp_path):
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(ValueError, match="pickle"):
        lucid.load(tmp_path / "evil.pkl")
    assert not (tmp_path / "ran").exists()


def test_npz(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.ones((2, 2)))
    found = lucid.load(tmp_path / "x.npz")
    assert found["a"].tolist() == [0, 1, 2] and found["b"].dtype is lucid.float64


def test_safetensors_round_trip_and_layout(tmp_path):
    tensors = {"w": lucid.arange(6, dtype=lucid.float32).reshape(2, 3), "n": lucid.tensor(7)}
    lucid.save(tensors, tmp_path / "m.safetensors")
    assert same(lucid.load(tmp_path / "m.safetensors"), tensors)
    raw = (tmp_path / "m.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")  # the format's first field, per its description
    assert length % 8 == 0 and raw[8 + length : 8 + length + 24] == np.arange(6, dtype="<f4").tobytes()


def test_safetensors_agree_with_the_reference_library(tmp_path):
    theirs = pytest.importorskip("safetensors.numpy")
    lucid.save({"w": lucid.ones(2, 3)}, tmp_path / "a.safetensors")
    assert np.array_equal(theirs.load_file(tmp_path / "a.safetensors")["w"], np.ones((2, 3)))
    theirs.save_file({"v": np.arange(4)}, tmp_path / "b.safetensors")
    assert lucid.load(tmp_path / "b.safetensors")["v"].tolist() == [0, 1, 2, 3]


@needs_torch
def test_torch_checkpoints_are_read(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    state = {
        "model": model.state_dict(),
        "epoch": 4,
        "t": torch.arange(6).reshape(2, 3).T,
        "p": torch.nn.Parameter(torch.ones(2)),
    }
    torch.save(state, tmp_path / "m.pt")
    found = lucid.load(tmp_path / "m.pt")
    assert found["epoch"] == 4 and found["t"].tolist() == state["t"].tolist() and found["p"].requires_grad
    for name, value in model.state_dict().items():
        assert np.array_equal(found["model"][name].numpy(), value.numpy()), name


@needs_torch
def test_torch_files_with_code_in_them_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"torch\.nn\.modules"):
        lucid.load(tmp_path / "model.pt")


@needs_torch
def test_torch_checkpoints_with_arguments_in_them(tmp_path):
    torch.save({"w": torch.ones(2), "args": argparse.Namespace(lr=0.1)}, tmp_path / "x.pt")
    with pytest.raises(pickle.UnpicklingError, match="argparse.Namespace"):
        lucid.load(tmp_path / "x.pt")
    found = lucid.load(tmp_path / "x.pt", weights_only=False, map_location=lambda storage, location: storage)
    assert found["args"].lr == 0.1 and found["w"].tolist() == [1.0, 1.0]

"""Devices by name, what this machine has, and that nothing is imported before it is asked for."""

import subprocess
import sys

import pytest

import lucid
from lucid.backends.catalogue import cuda_fault


def test_names():
    assert lucid.device("metal") == lucid.device("mps") == lucid.device("gpu") == "mlx"
    assert lucid.device("cuda:1").index == 1 and str(lucid.device("cuda", 1)) == "cuda:1"
    assert lucid.ones(1).device == lucid.device("cpu") and lucid.ones(1, device="cpu").device.type == "cpu"
    for bad in ("tpu", "cuda:x", "cpu:0:1"):
        with pytest.raises(RuntimeError, match="device"):
            lucid.device(bad)


def test_default_device_and_context():
    with lucid.device("cpu") as d:
        assert lucid.get_default_device() is d
    lucid.set_default_device("cpu")
    assert lucid.get_default_device().type == "cpu"
    lucid.set_default_device(None)


def test_available_prints_a_table():
    rows = lucid.backends.available()
    assert [r.device for r in rows] == ["cpu", "cuda", "mlx"] and rows[0].usable
    assert repr(rows).splitlines()[0].split() == ["device", "library", "version", "usable", "note"]


def test_cuda_says_what_is_missing():
    if cuda_fault() is None:
        pytest.skip("CuPy tests: CUDA is here")
    assert lucid.cuda.is_available() is False and lucid.cuda.device_count() == 0
    with pytest.raises((RuntimeError, ImportError), match="cuda|CuPy"):
        lucid.ones(2, device="cuda")
    with pytest.raises(RuntimeError, match="CUDA is not available"):
        lucid.cuda.synchronize()
    lucid.cuda.empty_cache()
    lucid.cuda.manual_seed_all(0)


def test_import_is_light_and_quiet():
    code = (
        "import sys, threading, lucid; "
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'mlx', 'cupy', 'torch', 'scipy', 'matplotlib', 'numba'}), threading.active_count())"
    )
    out = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[] 1" and out.stderr == ""


def test_info_prints_what_a_bug_report_needs():
    out = subprocess.run([sys.executable, "-m", "lucid.info"], capture_output=True, text=True, check=True)
    assert "lucid" in out.stdout and "numpy" in out.stdout and "python" in out.stdout

"""The main job end to end: the example trains, leaves its files, and its second command reads them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "digits.py"


def run(*args, cwd):
    command = [sys.executable, str(SCRIPT), *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    done = run("--epochs", 4, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    return folder


def test_training_leaves_its_files(folder):
    stdout = (folder / "stdout.txt").read_text()
    for name in ("training.png", "predictions.png", "model.lucid"):
        path = Path("runs/digits") / name
        assert (folder / path).stat().st_size > 1000
        assert str(path) in stdout
    accuracy = float(stdout.split("test accuracy ")[1].split("%")[0])
    assert accuracy > 90  # four epochs; the full run reaches 99


def test_prediction_of_test_images(folder):
    done = run("--predict", "runs/digits/model.lucid", "--count", 20, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("read as") == 20
    assert "of 20 right" in done.stdout


def test_prediction_of_a_file(folder):
    from lucid.datasets import load_digits

    images, _ = load_digits(split="test", as_tensor=False)
    np.save(folder / "digit.npy", images[0, 0] * 255)
    done = run("--predict", "runs/digits/model.lucid", "--image", "digit.npy", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("read as") == 1


def test_wrong_image(folder):
    np.save(folder / "wide.npy", np.zeros((8, 9)))
    done = run("--predict", "runs/digits/model.lucid", "--image", "wide.npy", cwd=folder)
    assert done.returncode != 0
    assert "expected an 8x8 array" in done.stderr and "(8, 9)" in done.stderr


def test_missing_checkpoint(tmp_path):
    done = run("--predict", "none.lucid", cwd=tmp_path)
    assert done.returncode == 2
    assert "none.lucid does not exist" in done.stderr

"""Imports point one way: backends <- core <- ops <- functions <- autograd, func <- nn <- optim <- the rest."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = [
    {"backends"},
    {"core"},
    {"ops"},
    {"functions", "linalg", "fft", "special", "sparse", "return_types"},
    {"autograd", "func"},
    {"nn"},
    {"optim"},
]
REST = len(LAYERS)
LIBRARIES = {"numpy", "cupy", "cupyx", "mlx"}

# What a file takes from a later layer, inside a function where it is needed; nothing does while it is imported.
UPWARD = {
    ("lucid.backends.cupy_random", "lucid.core.dtypes"),  # the default dtype
    ("lucid.core.backward", "lucid.ops"),  # create_graph reads the rules with Tensors
    ("lucid.core.tensor", "lucid.ops"),  # Tensor.__array_namespace__
    ("lucid.core.transform", "lucid.ops"),  # a transform computes with the ops one level down
    ("lucid.core.node_hooks", "lucid.autograd.anomaly"),  # the report is for users and stands with them
    ("lucid.functions.predecessor", "lucid.nn"),  # Lucid's activations as functions are nn.functional's
    ("lucid.functions.distributions", "lucid.distributions.implicit"),  # a derivative that is an autograd.Function
    ("lucid.nn.modules.own", "lucid.einops"),  # Rearrange as a layer
    ("lucid.nn.parallel", "lucid.distributed"),  # DistributedDataParallel asks whether there is a group
}
ERRORS = "lucid.core.errors"  # and any backend raises lucid's own errors


def allowed_upward(module, name):
    return (module, name) in UPWARD or (module.startswith("lucid.backends") and name == ERRORS)


# Who names an array library outside lucid/backends.
NAMES_A_LIBRARY = {
    "lucid.cuda.devices": "cupy",  # streams, events and memory are CuPy's own objects
    "lucid.version": "cupy",  # asks for CUDA's version
    "lucid.mps": "mlx",  # memory and waiting, as torch.mps
    "lucid.datasets.digits": "numpy",  # reads an .npz file
    "lucid.testing": "numpy",  # compares results on the host; `strict` is a CuPy over NumPy
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted((ROOT / "lucid").rglob("*.py"))}


def layer(module):
    room = f"{module}.".split(".")[1]
    return next((i for i, rooms in enumerate(LAYERS) if room in rooms), REST)


def imports(module):
    """(imported module, whether a function does it) for each import statement that runs."""
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]

    def visit(node, inside):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                start = package[: len(package) + 1 - child.level] if child.level else []
                base = ".".join([*start, *([child.module] if child.module else [])])
                for alias in child.names:
                    whole = f"{base}.{alias.name}"
                    yield (whole if whole in MODULES else base), inside
            else:
                yield from visit(child, inside or isinstance(child, ast.FunctionDef))

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), False)


@pytest.mark.parametrize("number", range(REST), ids=lambda i: "-".join(sorted(LAYERS[i])))
def test_imports_point_one_way(number):
    wrong = []
    for module in MODULES:
        if layer(module) == number:
            for name, inside in imports(module):
                upward = name.split(".")[0] == "lucid" and layer(name) > number
                if upward and not (inside and allowed_upward(module, name)):
                    wrong.append(f"{module} imports {name}")
    assert not wrong


def test_array_libraries_are_named_by_backends_only():
    wrong = []
    for module in MODULES:
        if not module.startswith("lucid.backends"):
            allowed = {library for prefix, library in NAMES_A_LIBRARY.items() if f"{module}.".startswith(f"{prefix}.")}
            named = {name.split(".")[0] for name, _ in imports(module)} & LIBRARIES
            wrong += [f"{module} imports {name}" for name in named - allowed]
    assert not wrong


def test_no_exception_outlives_its_reason():
    held = {(module, name) for module in MODULES for name, _ in imports(module)}
    assert held >= UPWARD
    for prefix, library in NAMES_A_LIBRARY.items():
        assert any(f"{m}.".startswith(f"{prefix}.") and name.split(".")[0] == library for m, name in held), prefix

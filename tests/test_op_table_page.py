"""docs/op-table.md lists every op and every function that there is; `python tools/make_op_table.py` writes it."""

import importlib.util
import re
from pathlib import Path

from lucid.core.op import OPS

ROOT = Path(__file__).resolve().parents[1]


def _tool():
    spec = importlib.util.spec_from_file_location("make_op_table", ROOT / "tools" / "make_op_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_table_is_current():
    tool = _tool()
    ops, functions = tool.PAGE.read_text(encoding="utf-8").split("## Functions")
    again = "; run python tools/make_op_table.py"
    listed = dict(re.findall(r"^\| `([^`]+)` \| (\w+) \|", ops, re.M))
    expected = {name: op.kind for name, op in OPS.items() if op.call.__module__.startswith("lucid")}
    assert listed == expected, f"ops: {sorted(set(listed.items()) ^ set(expected.items()))}{again}"
    names = set(re.findall(r"^\| `([^`]+)` \|", functions, re.M))
    assert names == set(tool.public_functions()), f"functions: {sorted(names ^ set(tool.public_functions()))}{again}"
    assert re.search(r"^\| `exp` \|.*\| yes \|", ops, re.M)

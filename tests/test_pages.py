"""Every runnable example in README.md and docs/ runs: the blocks marked python of a page, in order, as one program."""

import doctest
import re
from pathlib import Path
from types import ModuleType

import pytest

import lucid
from lucid.core.op import OPS

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What they hold is seen as lucid.X.
# "functional", "storage": PyTorch's other paths to what lies elsewhere (lucid.paths)
INTERNAL = {
    "core",
    "functional",
    "functions",
    "info",
    "interop",
    "model_summary",
    "paths",
    "storage",
    "threads",
    "version",
}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def blocks(path):
    """(line number, source) of each block."""
    text = path.read_text(encoding="utf-8")
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in BLOCK.finditer(text)]


PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))) if blocks(page)]


@pytest.fixture
def own_ops():
    """What a page declares must not be there for the tests that look at every op."""
    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]


@pytest.mark.usefixtures("own_ops")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what an example saves must not land in the repository
    names = {"__name__": "__main__"}
    for line, source in blocks(page):
        if ">>>" not in source:
            # The leading newlines make a traceback point at the line of the page.
            exec(compile("\n" * line + source, str(page), "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(source, names, page.name, str(page), line)
        report = []
        runner = doctest.DocTestRunner(optionflags=FLAGS)
        runner.run(test, out=report.append, clear_globs=False)
        names = test.globs
        assert not runner.failures, "".join(report)


def test_every_namespace_has_a_reference_page():
    """Where this fails: copy a page in docs/reference and change the name in it."""
    found = {name for name in dir(lucid) if name[0] != "_" and isinstance(getattr(lucid, name), ModuleType)} - INTERNAL
    pages = {page.stem for page in (ROOT / "docs" / "reference").glob("lucid.*.md")}
    missing = [name for name in sorted(found) if not any(f"{page}.".startswith(f"lucid.{name}.") for page in pages)]
    assert not missing

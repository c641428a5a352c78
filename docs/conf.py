"""Sphinx settings: MyST pages, the reference from the docstrings. `make docs` builds with warnings as errors."""

import ast
from pathlib import Path

from sphinx.domains.python import PyClasslike

import lucid

ROOT = Path(__file__).resolve().parents[1]

project = "lucid"
author = "the lucid authors"
copyright = "2026, the lucid authors"
release = version = lucid.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
default_role = "code"  # `name` in a docstring is code, as in Markdown

autodoc_default_options = {"members": True, "undoc-members": True, "imported-members": True}
autodoc_member_order = "groupwise"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"lucid {release}"
html_copy_source = False


def op_declarations():
    """The source of each ``name = elementwise("name", ...)`` in lucid/ops, by the op's name."""
    found = {}
    for path in sorted((ROOT / "lucid" / "ops").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.args:
                name = getattr(node.value.args[0], "value", None)
                if isinstance(name, str):
                    found[name] = ast.get_source_segment(text, node)
    return found


def show_declaration(app, what, name, obj, options, lines, declarations=op_declarations()):  # noqa: B008
    """An op is one line: its page shows that line, derivative included."""
    source = declarations.get(getattr(getattr(obj, "op", None), "name", None))
    if source:
        lines += ["", ".. code-block:: python", "", *("   " + line for line in source.splitlines()), ""]


def plain_formulas(app, what, name, obj, options, lines):
    """``(*, features)`` and ``|x|`` in a docstring are shapes and formulas, not the markup that RST takes them for."""
    example = False
    for i, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if not example:
            parts = line.split("`")  # every other part is code
            parts[::2] = [
                part.replace("(*,", r"(\*,").replace(", *", r", \*").replace("|", r"\|") for part in parts[::2]
            ]
            lines[i] = "`".join(parts)


def skip_foreign(app, what, name, obj, skip, options):
    """What a module imports from elsewhere (`Any`, `Callable`) is not its own."""
    module = getattr(obj, "__module__", None) or "lucid"
    return True if what == "module" and module.split(".")[0] != "lucid" else None


class Class(PyClasslike):
    """A class (or exception) may be public in two namespaces (`lucid.no_grad`, `lucid.autograd.no_grad`); the file is no third."""

    def run(self):
        self.options.pop("canonical", None)
        return super().run()


def setup(app):
    for directive in ("class", "exception"):
        app.add_directive_to_domain("py", directive, Class, override=True)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-docstring", plain_formulas, priority=100)  # before napoleon writes markup of its own
    app.connect("autodoc-process-docstring", show_declaration)

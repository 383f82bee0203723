"""Every example in the documentation runs: docstrings, the README and the pages in docs/.

`--doctest-modules` would import the package a second time (see conftest.py), so the docstrings run through
`doctest.testmod` over `pkgutil.walk_packages`.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import retrograd as rg
from retrograd.autograd.ops import load_all
from retrograd.autograd.registry import FUNCTIONS

load_all()
ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCE = re.compile(r"^```python *(?P<info>[^\n]*)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)

MODULES = sorted(m.name for m in pkgutil.walk_packages(rg.__path__, "retrograd.") if not m.name.endswith("__main__"))


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")


@pytest.mark.parametrize("name", ["retrograd", *MODULES])
def test_docstrings(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples failed; they are printed above"


def made_functions() -> dict[str, object]:
    """Public functions that a factory made: testmod takes them for the factory's module's and skips them."""
    calls = {path: function.call for path, function in FUNCTIONS.items()}
    return {path: f for path, f in calls.items() if f.__globals__ is not vars(sys.modules[f.__module__])}


def test_docstrings_of_made_functions():
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    parser = doctest.DocTestParser()
    for name, function in made_functions().items():
        runner.run(parser.get_doctest(inspect.getdoc(function) or "", {}, name, None, 0))
    assert runner.failures == 0, f"{runner.failures} of {runner.tries} examples failed; they are printed above"


def blocks(page: Path) -> list[tuple[int, str, str]]:
    """(line, info, code) of each ```python block. A block may say `package=retrograd.x` for its relative imports."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start("code")), m["info"], m["code"]) for m in FENCE.finditer(text)]


def run_page(page: Path) -> None:
    """Executes a page's blocks in order, in one namespace: what an earlier block defines, a later one uses."""
    namespace: dict[str, object] = {"__name__": "__page__"}
    for line, info, code in blocks(page):
        namespace["__package__"] = info.removeprefix("package=") if info.startswith("package=") else None
        if code.startswith(">>> "):  # not merely a docstring inside
            test = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), line)
            test.globs = namespace
            runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
            runner.run(test, clear_globs=False)
            assert runner.failures == 0, f"{page.name}, line {line + 1}: the output differs"
        else:
            # Empty lines in front make tracebacks name the page's own lines.
            exec(compile("\n" * line + code, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages(page, tmp_path):
    if not blocks(page):
        pytest.skip("no python blocks")
    # A process of its own: a page may register operations or change defaults.
    code = "import sys; sys.path.append(sys.argv[1]); import test_docs as t; t.run_page(t.Path(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(ROOT / "tests"), str(page)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_commands_are_marked():
    """.ci/run executes the blocks after these marks; without them it would test nothing."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for mark in ("<!-- ci: train -->", "<!-- ci: test -->"):
        assert len(re.findall(re.escape(mark) + r"\n```bash\n[^\n]+\n```", text)) == 1, mark


def test_links_inside_the_repository_exist():
    broken = []
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert not broken, broken


def test_public_functions_have_an_example():
    """A name in the front door that is a function of ours says what it does and shows it.

    Apart from functions that only call the method of their name, and from names that refuse, which say why.
    """
    functions = {name: getattr(rg, name) for name in rg.__all__ if inspect.isfunction(getattr(rg, name))}
    bare = [
        name
        for name, f in functions.items()
        if not f.__module__.endswith(".root_forms")
        and not (f.__doc__ or "").startswith("Not supported: ")
        and ">>>" not in (f.__doc__ or "")
    ]
    assert not bare, f"no runnable example in the docstrings of {bare}"

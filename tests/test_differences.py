"""docs/differences.md as a page: every row has a class that tests both sides, every class a row, every anchor its name."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from differences import Difference

import retrograd as rg
from retrograd.cli import reference

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "differences.md"
OTHER_CODE = {"np.asarray", "np.exp", "rg.exp", "i", ".pt", "channels_last"}  # in first columns, and no names of ours
SUBJECTS = sorted(path.stem for path in HERE.glob("test_differences_*.py"))


def classes() -> dict[str, type]:
    """The classes of rows, by name."""
    found = {}
    for subject in SUBJECTS:
        for name, value in vars(importlib.import_module(subject)).items():
            if isinstance(value, type) and issubclass(value, Difference) and value is not Difference:
                assert name not in found, f"two classes are called {name}"
                found[name] = value
    return found


def anchor(name: str) -> str:
    """TestNegativeSteps as negative-steps."""
    return "-".join(re.findall(r"[A-Z][a-z0-9]*", name.removeprefix("Test"))).lower()


def rows():
    return reference.differences(PAGE.read_text(encoding="utf-8"))


def test_every_row_has_a_test_and_every_test_a_row():
    named = [row.test for row in rows()]
    assert len(named) == len(set(named)) and len(named) > 50
    assert set(named) == set(classes())


@pytest.mark.parametrize("name", sorted(classes()))
def test_both_sides_are_tested(name):
    own = vars(classes()[name])
    assert "test_ours" in own and "test_torch" in own, f"{name} tests one side only"


def test_rows_are_complete_and_anchored():
    for row in rows():
        assert all((row.what, row.theirs, row.ours, row.why)) and "<a" not in row.what, row
        assert row.anchor == anchor(row.test), f"{row.test}: the anchor is {row.anchor}"


def test_names_in_the_first_column_exist():
    """A misspelt name would leave its row out of the reference."""
    homes = (rg, rg.Tensor, rg.nn, rg.nn.Module, rg.utils.data)
    for row in rows():
        for name in set(row.names) - OTHER_CODE:
            here = reference.matching(name) or any(_reaches(home, name) for home in homes)
            assert here, f"{row.test} names {name}, which is neither a function of the registry nor anything else"


def _reaches(home, path):
    for part in path.split("."):
        if not (hasattr(home, part) or hasattr(home, part + "_")):
            return False
        home = getattr(home, part, None)
    return True

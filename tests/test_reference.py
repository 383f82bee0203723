"""docs/reference.md is what `python -m retrograd reference` prints, and what it says of functions is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import retrograd as rg
from retrograd.autograd.batching import has_rule
from retrograd.autograd.registry import FUNCTIONS, PRIMITIVES
from retrograd.cli import reference

DOCS = Path(__file__).resolve().parents[1] / "docs"
# Over the memory of a tensor, of which a dual tensor has two.
NO_FORWARD = {"as_strided", "as_strided_copy", "as_strided_scatter"}


@pytest.fixture(scope="module")
def page():
    return reference.page((DOCS / "differences.md").read_text(encoding="utf-8"))


def rows(text):
    """path -> the cells of each row."""
    found, where = {}, None
    places = {title: where for where, title in reference.PLACES.items()}
    for line in text.splitlines():
        if line.startswith("## "):
            where = places[line[3:]]
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            name = cells[0].strip("`")
            found[f"{where}.{name}" if where else name] = cells
    return found


def test_the_committed_page_is_the_generated_one(page):
    committed = (DOCS / "reference.md").read_text(encoding="utf-8")
    if committed != page:
        mine, theirs = rows(committed), rows(page)
        changed = sorted(p for p in {*mine, *theirs} if mine.get(p) != theirs.get(p))
        pytest.fail(f"run `python -m retrograd reference > docs/reference.md`; rows that changed: {changed[:20]}")


def test_every_public_function_has_a_row(page):
    found = rows(page)
    assert set(found) == {path for path, f in FUNCTIONS.items() if not f.name.startswith("_")}
    assert all(len(cells) == 8 for cells in found.values())


def test_every_name_of_the_front_door_that_is_an_operation_is_there(page):
    """Aliases stand in the row of their function."""
    calls = {id(f.call) for f in FUNCTIONS.values()}
    for home, prefix in ((rg, ""), (rg.special, "special."), (rg.linalg, "linalg."), (rg.fft, "fft.")):
        for name in home.__all__:
            if id(getattr(home, name)) in calls:
                assert name[0] == "_" or f"`{name}`" in page or f"`retrograd.{prefix}{name}`" in page, name


def test_what_is_known_of_some_functions(page):
    found = rows(page)
    for path, cells in {
        "exp": ["yes", "yes", "yes", "rule"],
        "argmax": ["no", "", "", "rule"],
        "linalg.eigvals": ["yes", "yes", "yes", "loop"],
        "linalg.cholesky_ex": ["yes", "yes", "yes", "loop"],
        "searchsorted": ["no", "", "", "loop"],
        "norm": ["yes", "yes", "yes", "in part"],
        "zeros": ["no", "", "", ""],
        "Tensor.as_strided_": ["no", "", "", "no"],
        "nn.functional.conv2d": ["yes", "yes", "yes", "rule"],
        "Tensor.to_sparse_csr": ["yes", "yes", "yes", "no"],
    }.items():
        assert found[path][2:6] == cells, path
    assert found["abs"][1] == "`Tensor.abs`, `Tensor.abs_`, `absolute`"
    assert "`retrograd.special.expit`" in found["sigmoid"][1]
    assert found["rand"][6] == "`philox_uniform`, `philox_words`"
    assert found["nn.functional.mse_loss"][7] == "[losses-do-not-broadcast](differences.md#losses-do-not-broadcast)"


def test_links_lead_to_rows_of_the_differences(page):
    there = {row.anchor for row in reference.differences((DOCS / "differences.md").read_text(encoding="utf-8"))}
    linked = set(re.findall(r"differences\.md#([\w-]+)", page))
    assert len(linked) > 20 and linked <= there


def test_what_is_differentiable_has_every_order_and_both_modes(page):
    for path, cells in rows(page).items():
        if cells[2] == "yes" and path not in NO_FORWARD and not path.startswith("Tensor."):
            assert cells[3:5] == ["yes", "yes"], path


def test_the_registry_is_what_decides(monkeypatch):
    """A function is differentiable by its derivatives, mapped by the rules of its primitives: taking them away shows."""
    assert reference.facts(FUNCTIONS["exp"])[:4] == ("yes", "yes", "yes", "rule")
    monkeypatch.setattr(FUNCTIONS["exp"], "differentiable", False)
    assert reference.facts(FUNCTIONS["exp"])[:4] == ("no", "", "", "rule")
    assert reference.facts(FUNCTIONS["cumsum"]).vmap == "rule" and has_rule(PRIMITIVES["cumsum"])
    monkeypatch.delitem(rg.autograd.batching.RULES, "cumsum")
    assert reference.facts(FUNCTIONS["cumsum"]).vmap == "loop"


def test_names_of_a_row():
    row = reference.Difference("a", 'Code `x.addbmm_(a, b)`, `special.bessel_*`, `f("max")`, words', "", "", "", "")
    assert row.names == ["addbmm", "special.bessel_*", "f"]
    assert reference.matching("special.bessel_j0") == ["special.bessel_j0"]
    assert reference.matching("mse_loss") == ["nn.functional.mse_loss"] and reference.matching("there_is_none") == []


def test_the_command(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "page", lambda text="": f"the page with {len(reference.differences(text))} rows")
    monkeypatch.setattr(reference, "PAGE", DOCS / "differences.md")  # where the package is installed there is none
    rows = len(reference.differences((DOCS / "differences.md").read_text(encoding="utf-8")))
    assert reference.main([], "retrograd reference") == 0
    assert capsys.readouterr().out == f"the page with {rows} rows"
    assert reference.main(["--differences", str(tmp_path / "none.md")], "retrograd reference") == 1
    assert "there is no file" in capsys.readouterr().err
    monkeypatch.setattr(reference, "PAGE", tmp_path / "none.md")  # as in a wheel, which has no docs
    assert reference.main([], "retrograd reference") == 0 and capsys.readouterr().out == "the page with 0 rows"


def test_forward_mode_where_the_samples_ask_for_no_gradient():
    """Found by the table: their tests leave the gradient out, and so would not see a tangent that is lost."""
    x = rg.tensor([[4.0, 1.0], [2.0, 3.0]], dtype=rg.float64)
    v = rg.tensor([[0.5, -1.0], [0.25, 2.0]], dtype=rg.float64)
    for f in (
        lambda x: rg.linalg.eigvals(x).real.sort().values,
        lambda x: rg.linalg.cholesky_ex(x @ x.mT, upper=True).L,
        lambda x: rg.linalg.cholesky_ex(x @ x.mT).L,
    ):
        slope = (f(x + 1e-6 * v) - f(x - 1e-6 * v)) / 2e-6
        assert rg.allclose(rg.func.jvp(f, (x,), (v,))[1], slope, atol=1e-7)

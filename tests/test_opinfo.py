"""PyTorch's own samples of every operation that exists here: values, shapes, dtypes, both orders of gradient, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("torch", reason="the parity suite compares with PyTorch, which is not installed")
pytest.importorskip("expecttest", reason="PyTorch's sample tables need expecttest, which is not installed")

import opinfo
import opinfo_checks
from opinfo_exceptions import DELIBERATE, EXCEPTIONS
from opinfo_tiers import TIER_1, TIER_2

torch = opinfo.torch
NAMES = sorted({opinfo.table()[full].name for full in opinfo.present()} | set(TIER_1) | set(TIER_2))


@pytest.fixture(autouse=True)
def one_thread():
    """The samples are small, and the tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def outcomes_of(name, soak=False):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return opinfo_checks.check_name(name, soak)


def known(name):
    """The exception that says that there is no such name here."""
    return EXCEPTIONS.get(f"{name}/missing")


def complain(name, outcomes):
    failed = [line for o in outcomes for line in o.failed]
    total = sum(o.total for o in outcomes)
    assert not failed, f"{len(failed)} of {total} samples of {name}:\n" + "\n".join(failed[:20])
    let = sum(n for o in outcomes for key, n in o.excused.items() if EXCEPTIONS[key] not in DELIBERATE)
    assert let <= 0.1 * total or name in EXCEPTIONS, f"{name} is missing: {let} of {total} samples are excused"


@pytest.mark.parametrize("name", NAMES)
def test_samples_agree(name):
    if known(name):
        pytest.skip(known(name))
    outcomes = outcomes_of(name)
    assert sum(o.total for o in outcomes), f"no sample of {name} ran"
    complain(name, outcomes)


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_all_samples_agree(name):
    if known(name):
        pytest.skip(known(name))
    complain(name, outcomes_of(name, soak=True))


def test_tier_1_is_complete():
    absent = [n for n in TIER_1 if opinfo_checks.absent(n) or n in EXCEPTIONS or known(n)]
    assert not absent, f"{len(absent)} of {len(TIER_1)} names: {absent}"


def test_tier_2_is_nearly_complete():
    absent = [n for n in TIER_2 if opinfo_checks.absent(n) or n in EXCEPTIONS or known(n)]
    assert len(absent) <= 0.05 * len(TIER_2), f"{len(absent)} of {len(TIER_2)} names: {absent}"


@pytest.mark.parametrize("name", sorted({*TIER_1, *TIER_2}))
def test_every_name_has_enough_samples(name):
    """Four, and two errors: the tables', or our own."""
    for op in opinfo.variants(name):
        if op.error_inputs_func:
            break
    else:
        own = opinfo_checks.Own(name)
        found = len(own.error_inputs_func(own, "cpu"))
        assert found >= 2, f"{name} has {found} errors"
        if not opinfo.variants(name):
            found = len(own.sample_inputs_func(own, "cpu", torch.float64, False))
            assert found >= 4, f"{name} has {found} samples"


@pytest.mark.parametrize("key", sorted(EXCEPTIONS))
def test_every_exception_is_needed(key):
    path = key.partition("/")[0]
    if key.endswith("/missing"):
        assert opinfo_checks.absent(path), f"{path} exists"
        return
    names = NAMES if path == "*" else [n for n in NAMES if n == path or path.startswith(n + ".")]
    for soak in (False, True):  # which samples the suite takes changes with PyTorch's tables; the soak run takes all
        if any(key in o.excused for name in names for o in outcomes_of(name, soak)):
            return
    raise AssertionError(f"no sample needs the exception {key!r}: {EXCEPTIONS[key]}")


def test_report_counts_what_the_tests_count(capsys, monkeypatch):
    monkeypatch.setattr(opinfo_checks, "TIER_1", ["add", "there_is_no_such_name"])
    monkeypatch.setattr(opinfo_checks, "TIER_2", [])
    opinfo_checks.report()
    text = capsys.readouterr().out
    good, total, apart = opinfo_checks.counts(outcomes_of("add"))
    assert good == total > 40
    assert f"tier 1: 1 of 2 names, {good} of {total + 1} samples, and {apart} that differ on purpose" in text
    assert "there_is_no_such_name" in text


def test_a_wrong_value_is_found(monkeypatch):
    """The comparison itself: a function that is slightly wrong fails in every sample and every order."""
    right = opinfo.find("lerp")
    monkeypatch.setitem(opinfo.CALLS, "lerp", lambda x, *args: right(x, *args) * (1 + 1e-5))
    op = opinfo.table()["lerp"]
    outcomes = [*opinfo_checks.check_values(op), *opinfo_checks.check_second(op)]
    assert all(o.total and len(o.failed) == o.total for o in outcomes), [(o.total, o.failed) for o in outcomes]

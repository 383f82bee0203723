"""Containers against PyTorch's, method by method: the same operations on both must leave the same keys and text."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import retrograd as rg
from retrograd import nn

torch = pytest.importorskip("torch")


def outcome(f, lib):
    """What f does with a library: its result as text, or the kind of error."""
    try:
        r = f(lib)
    except Exception as e:  # the kind is what is compared
        return next(k.__name__ for k in type(e).__mro__ if k.__module__ == "builtins")
    return str(r).replace("torch.", "retrograd.")


def layers(lib, n=4):
    return [lib.nn.Linear(i + 1, i + 2) for i in range(n)]


def changed(make, *steps):
    def run(lib):
        c = make(lib)
        results = []
        for step in steps:
            results.append(step(c, lib))
        shown = [str(r) if not isinstance(r, (list, tuple)) else [str(v) for v in r] for r in results]
        return shown, list(c.state_dict()), repr(c), len(c)

    return run


def sequential(lib):
    return lib.nn.Sequential(*layers(lib))


def named(lib):
    return lib.nn.Sequential(OrderedDict(zip("abcd", layers(lib), strict=True)))


def modules(lib):
    return lib.nn.ModuleList(layers(lib))


def mapping(lib):
    return lib.nn.ModuleDict(dict(zip("abcd", layers(lib), strict=True)))


def params(lib):
    return lib.nn.ParameterList([lib.zeros(2), lib.nn.Parameter(lib.ones(1, 3)), "text", 4])


def param_map(lib):
    return lib.nn.ParameterDict({"b": lib.zeros(2), "a": lib.ones(1), "c": "text"})


def delete(c, i):
    del c[i]


def assign(c, i, value):
    c[i] = value


LISTS = [
    lambda c, lib: c[0],
    lambda c, lib: c[-1],
    lambda c, lib: c[4],
    lambda c, lib: c[-5],
    lambda c, lib: c[1:3],
    lambda c, lib: c[::-2],
    lambda c, lib: c["0"],
    lambda c, lib: assign(c, 1, lib.nn.ReLU()),
    lambda c, lib: assign(c, -1, lib.nn.ReLU()),
    lambda c, lib: assign(c, 9, lib.nn.ReLU()),
    lambda c, lib: delete(c, 1),
    lambda c, lib: delete(c, -1),
    lambda c, lib: delete(c, slice(1, 3)),
    lambda c, lib: delete(c, 7),
    lambda c, lib: c.append(lib.nn.ReLU()),
    lambda c, lib: c.append(3),
    lambda c, lib: c.insert(1, lib.nn.ReLU()),
    lambda c, lib: c.insert(-1, lib.nn.ReLU()) if not isinstance(c, (nn.ModuleList, torch.nn.ModuleList)) else None,
    lambda c, lib: c.insert(4, lib.nn.ReLU()),
    lambda c, lib: c.pop(1),
    lambda c, lib: c.pop(-1),
    lambda c, lib: c.pop(slice(0, 2)),
    lambda c, lib: c.extend([lib.nn.ReLU(), lib.nn.Tanh()]),
    lambda c, lib: c.extend(3),
    lambda c, lib: list(c),
    lambda c, lib: c.__iadd__(lib.nn.Sequential(lib.nn.ReLU())),
    lambda c, lib: c.__iadd__(3),
    lambda c, lib: c + type(c)(lib.nn.ReLU()) if isinstance(c, lib.nn.Sequential) else c + [lib.nn.ReLU()],
    lambda c, lib: [d for d in dir(c) if d.isdigit()],
]


@pytest.mark.parametrize("make", [sequential, named, modules])
@pytest.mark.parametrize("step", LISTS)
def test_lists(make, step):
    assert outcome(changed(make, step), rg) == outcome(changed(make, step), torch)


@pytest.mark.parametrize(
    "step",
    [lambda c, lib: c * 2, lambda c, lib: 2 * c, lambda c, lib: c.__imul__(2), lambda c, lib: c * 0,
     lambda c, lib: c * 1.5, lambda c, lib: c + 3, lambda c, lib: c.insert(9, lib.nn.ReLU()),
     lambda c, lib: c.insert(0, 3), lambda c, lib: c(lib.zeros(2, 1)).shape],
)  # fmt: skip
def test_sequential(step):
    assert outcome(changed(sequential, step), rg) == outcome(changed(sequential, step), torch)


@pytest.mark.parametrize(
    "step",
    [
        lambda c, lib: c["a"],
        lambda c, lib: c["z"],
        lambda c, lib: assign(c, "e", lib.nn.ReLU()),
        lambda c, lib: assign(c, "a", lib.nn.ReLU()),
        lambda c, lib: assign(c, "keys", lib.nn.ReLU()),
        lambda c, lib: assign(c, "a.b", lib.nn.ReLU()),
        lambda c, lib: assign(c, "e", 3),
        lambda c, lib: delete(c, "b"),
        lambda c, lib: "a" in c,
        lambda c, lib: list(c),
        lambda c, lib: list(c.keys()),
        lambda c, lib: list(c.values()),
        lambda c, lib: list(c.items()),
        lambda c, lib: c.pop("a"),
        lambda c, lib: c.clear(),
        lambda c, lib: c.update({"z": lib.nn.ReLU(), "y": lib.nn.Tanh()}),
        lambda c, lib: c.update([("z", lib.nn.ReLU())]),
        lambda c, lib: c.update(lib.nn.ModuleDict({"q": lib.nn.ReLU()})),
        lambda c, lib: c.update([("z",)]),
        lambda c, lib: c.update([3]),
        lambda c, lib: c.update(3),
    ],
)
def test_module_dict(step):
    assert outcome(changed(mapping, step), rg) == outcome(changed(mapping, step), torch)


@pytest.mark.parametrize(
    "step",
    [
        lambda c, lib: c[1].shape,
        lambda c, lib: c[-1],
        lambda c, lib: c[7],
        lambda c, lib: c[1:],
        lambda c, lib: type(c[0]).__name__,
        lambda c, lib: assign(c, 0, lib.ones(4)),
        lambda c, lib: assign(c, 2, lib.ones(4)),
        lambda c, lib: c.append(lib.ones(4)),
        lambda c, lib: c.extend([lib.ones(4), 3]),
        lambda c, lib: c.extend(lib.ones(4)),
        lambda c, lib: c.extend(4),
        lambda c, lib: c.__iadd__([lib.ones(4)]),
        lambda c, lib: len(list(c)),
        lambda c, lib: c(),
        lambda c, lib: [d for d in dir(c) if d.isdigit()],
    ],
)
def test_parameter_list(step):
    assert outcome(changed(params, step), rg) == outcome(changed(params, step), torch)


@pytest.mark.parametrize(
    "step",
    [
        lambda c, lib: c["a"].shape,
        lambda c, lib: c["z"],
        lambda c, lib: c[3],
        lambda c, lib: assign(c, "z", lib.ones(4)),
        lambda c, lib: type(c["a"]).__name__,
        lambda c, lib: delete(c, "a"),
        lambda c, lib: delete(c, "z"),
        lambda c, lib: list(c),
        lambda c, lib: list(reversed(c)),
        lambda c, lib: "a" in c,
        lambda c, lib: [k for k, _ in c.items()],
        lambda c, lib: len(list(c.values())),
        lambda c, lib: c.get("z", 3),
        lambda c, lib: c.setdefault("z", 3),
        lambda c, lib: c.setdefault("c", 3),
        lambda c, lib: c.pop("c"),
        lambda c, lib: c.pop("z"),
        lambda c, lib: c.popitem()[0],
        lambda c, lib: c.clear(),
        lambda c, lib: list(c.copy()),
        lambda c, lib: list(c.fromkeys(["x", "y"], 3).items()),
        lambda c, lib: c.update({"z": lib.ones(1), "y": 3}),
        lambda c, lib: c.update(OrderedDict(z=3, y=4)),
        lambda c, lib: c.update([("z", 3)]),
        lambda c, lib: c.update([("z",)]),
        lambda c, lib: c.update(3),
        lambda c, lib: list(c | lib.nn.ParameterDict({"q": 1})),
        lambda c, lib: list(c.__ior__(lib.nn.ParameterDict({"q": 1}))),
        lambda c, lib: c(1),
    ],
)
def test_parameter_dict(step):
    def run(lib):
        shown, keys, _, size = changed(param_map, step)(lib)
        return shown, keys, size

    assert outcome(run, rg) == outcome(run, torch)


def test_parameter_dict_text():
    text = repr(nn.ParameterDict({"a": rg.zeros(2, 3), "b": 4}))
    assert text == (
        "ParameterDict(\n    (a): Parameter containing: [retrograd.FloatTensor of size 2x3]\n"
        "    (b): Object of type: int\n)"
    )

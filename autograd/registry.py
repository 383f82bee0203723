"""The two tables that everything generated reads: primitives (what is differentiated) and functions (what users call)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

UNARY, BINARY, PARAM, NARY, FUNCTION = 1, 2, 3, 4, 5


class Op:
    """A primitive: forward, its formulas, and what they need saved.

    arity: UNARY, BINARY, PARAM or NARY (FUNCTION for a user's autograd.Function). vx, vy: formulas of the operands of
    a unary, binary or param operation; vjp: the joint one of an n-ary operation. twin: the record of the same operation
    on complex values, whose formulas conjugate (see `complex_twin`). call: the function that records it. check: f(x, y)
    that refuses operands of a binary operation, asked before they are converted, for what is no plain pair of floats.
    """

    __slots__ = (
        "name", "arity", "forward", "vx", "vy", "vjp", "saves", "dtypes", "jvp", "view", "outputs", "extras",
        "holomorphic", "twin", "call", "differentiable", "frees", "check",
    )  # fmt: skip

    def __init__(self, name: str, arity: int, forward: Any, **rest: Any) -> None:
        self.name, self.arity, self.forward = name, arity, forward
        self.vx: Any = rest.get("vx")
        self.vy: Any = rest.get("vy")
        self.vjp: Any = rest.get("vjp")
        self.saves: Any = rest.get("saves", "")
        self.dtypes: str = rest.get("dtypes", "float")
        self.jvp: Any = rest.get("jvp", "transpose")
        self.view: bool = rest.get("view", False)
        self.outputs: int | None = rest.get("outputs", 1)
        self.extras: int = rest.get("extras", 0)
        self.holomorphic: bool = rest.get("holomorphic", True)
        self.differentiable: bool = rest.get("differentiable", True)
        self.frees = any(self.saves) or self.extras > 0  # whether a node of it holds arrays that backward gives back
        self.twin: Op | None = None
        self.call: Any = None
        self.check: Any = rest.get("check")

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


class Function:
    """A public function: where users find it, and what the tests know about it."""

    __slots__ = ("name", "call", "where", "method", "inplace", "samples", "errors", "ref", "differentiable")

    def __init__(
        self, name: str, call: Any, where: str, method: bool, inplace: bool, samples: Any, errors: Any, ref: Any,
        differentiable: bool,
    ) -> None:  # fmt: skip
        self.name, self.call, self.where, self.method, self.inplace = name, call, where, method, inplace
        self.samples, self.errors, self.ref, self.differentiable = samples, errors, ref, differentiable

    @property
    def path(self) -> str:
        """The dotted name below the package, such as `nn.functional.relu`."""
        return f"{self.where}.{self.name}" if self.where else self.name

    def __repr__(self) -> str:
        return f"<function {self.path}>"


PRIMITIVES: dict[str, Op] = {}
FUNCTIONS: dict[str, Function] = {}


def add_primitive(op: Op) -> Op:
    """Enter a primitive; names are unique."""
    assert op.name not in PRIMITIVES, f"two primitives are called {op.name}"
    PRIMITIVES[op.name] = op
    return op


def add_function(
    name: str,
    call: Any,
    *,
    where: str = "",
    method: bool = True,
    inplace: bool = False,
    samples: Any = None,
    errors: Any = None,
    ref: Any = None,
    differentiable: bool = True,
) -> None:
    """Enter a public function; paths are unique."""
    f = Function(name, call, where, method, inplace, samples, errors, ref, differentiable)
    assert f.path not in FUNCTIONS, f"two functions are called {f.path}"
    FUNCTIONS[f.path] = f


def public(
    *,
    name: str | None = None,
    where: str = "",
    method: bool = True,
    inplace: bool = False,
    samples: Any = None,
    errors: Any = None,
    ref: Any = None,
    differentiable: bool = True,
) -> Callable[[F], F]:
    """Enter a plain function into the table of public functions; the function itself is returned unchanged.

    where: "" for `retrograd.*`, else "nn.functional", "linalg", ..., or "Tensor" for a method only. samples, errors:
    functions that return lists of `samples.call(...)` and `samples.raises(...)`. ref: the same value from NumPy or SciPy.
    """

    def enter(f: F) -> F:
        add_function(
            name or f.__name__, f, where=where, method=method, inplace=inplace, samples=samples, errors=errors, ref=ref,
            differentiable=differentiable,
        )  # fmt: skip
        return f

    return enter

"""One `load_state_dict`: what matched, the writes planned, the report, and the error that explains a misfit."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...autograd import Parameter, Tensor, no_grad
from ...autograd.dtypes import bfloat16
from ...autograd.ops.create import from_numpy

__all__ = ["LoadReport", "StateDictError"]

SESSION = "_load_session"  # where local_metadata carries the load under way to overridden _load_from_state_dict
ASSIGN = "assign_to_params_buffers"
_SHOWN = 10  # names compared and printed in a message; comparing thousands with thousands takes minutes


class _IncompatibleKeys(NamedTuple):
    """The pair that PyTorch's `load_state_dict` returns."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class LoadReport(_IncompatibleKeys):
    """What `load_state_dict` did. Unpacks into (missing_keys, unexpected_keys), as PyTorch's result does.

    matched: names that were (or, in an error, would have been) loaded. mismatched: name -> (shape in the state_dict,
    shape in the model). tensors: how many parameters and persistent buffers the model has. fraction: the share of the
    model's parameter elements that matched. nearest: unexpected name -> the most similar missing name.

    >>> import retrograd as rg
    >>> net = rg.nn.Linear(2, 1)
    >>> net.load_state_dict(net.state_dict())
    <All keys matched successfully>
    >>> report = net.load_state_dict({"weight": rg.ones(1, 2), "bais": rg.ones(1)}, strict=False)
    >>> print(report)
    1 of 2 tensors matched (67 % of parameters)
    missing: bias
    unexpected: bais (nearest: bias)
    """

    def __new__(
        cls,
        missing_keys: list[str],
        unexpected_keys: list[str],
        matched: list[str] | None = None,
        mismatched: dict[str, tuple[Any, Any]] | None = None,
        tensors: int = 0,
        fraction: float = 1.0,
    ) -> LoadReport:
        self = super().__new__(cls, missing_keys, unexpected_keys)
        self.matched = [] if matched is None else matched
        self.mismatched = {} if mismatched is None else mismatched
        self.tensors = tensors
        self.fraction = fraction
        return self

    matched: list[str]
    mismatched: dict[str, tuple[Any, Any]]
    tensors: int
    fraction: float

    @property
    def nearest(self) -> dict[str, str]:
        """Unexpected name -> the missing name most like it, for the first ten that have one."""
        found = {}
        for name in self.unexpected_keys[:_SHOWN]:
            close = difflib.get_close_matches(name, self.missing_keys, n=1, cutoff=0.6)
            if close:
                found[name] = close[0]
        return found

    def summary(self) -> str:
        """`3 of 4 tensors matched (87 % of parameters)`."""
        percent = round(100 * self.fraction)
        if self.missing_keys or self.mismatched:
            percent = min(percent, 99)
        return f"{len(self.matched)} of {self.tensors} tensors matched ({percent} % of parameters)"

    def __str__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys and not self.mismatched:
            return "<All keys matched successfully>"
        lines = [self.summary()]
        if self.missing_keys:
            lines.append("missing: " + _some(self.missing_keys))
        if self.unexpected_keys:
            nearest = self.nearest
            shown = [f"{k} (nearest: {nearest[k]})" if k in nearest else k for k in self.unexpected_keys]
            lines.append("unexpected: " + _some(shown))
        for name, (theirs, ours) in self.mismatched.items():
            lines.append(f"shape: {name} is {theirs} in the state_dict, {ours} in the model")
        return "\n".join(lines)

    __repr__ = __str__


class StateDictError(RuntimeError):
    """A state_dict does not fit the module; nothing was loaded. `report` says what would have matched."""

    report: LoadReport


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


class Session:
    """One load: what was found, and the writes to make once everything has been checked."""

    def __init__(self, assign: bool) -> None:
        self.assign = assign
        self.writes: list[tuple[Any, str, Tensor, Tensor]] = []  # module, attribute, its tensor, the value to load
        self.extras: list[tuple[Any, Any]] = []  # module, extra state
        self.order: list[Callable[[], None]] = []
        self.materialized: list[
            tuple[Any, Any]
        ] = []  # tensors that got their shape from the state_dict, and their class
        self.matched: list[str] = []
        self.mismatched: dict[str, tuple[Any, Any]] = {}
        self.names: list[str] = []  # what the module has
        self.nested: dict[str, Mapping[Any, Any]] = {}  # the state_dict's values that are dictionaries themselves
        self.elements = self.loaded = 0

    def report(self, missing: list[str], unexpected: list[str]) -> LoadReport:
        fraction = self.loaded / self.elements if self.elements else 1.0
        return LoadReport(missing, unexpected, self.matched, self.mismatched, len(self.names), fraction)

    def write(self, module: Any, name: str, own: Tensor, value: Tensor) -> None:
        self.order.append(lambda: self._write(module, name, own, value))
        self.writes.append((module, name, own, value))

    def extra(self, module: Any, state: Any) -> None:
        self.order.append(lambda: module.set_extra_state(state))
        self.extras.append((module, state))

    def _write(self, module: Any, name: str, own: Tensor, value: Tensor) -> None:
        if not self.assign:
            own.copy_(value)
        elif isinstance(own, Parameter):
            new = value if isinstance(value, Parameter) else Parameter(value, requires_grad=own.requires_grad)
            setattr(module, name, new.requires_grad_(own.requires_grad))
        else:
            setattr(module, name, value)

    def commit(self) -> None:
        with no_grad():
            for step in self.order:
                step()

    def dematerialize(self) -> None:
        """Leave lazy modules as they were before a load that failed."""
        for tensor, before in self.materialized:
            tensor.__class__ = before
            tensor.data = tensor.data.flatten()[:0]

    def backup(self) -> Callable[[], None]:
        """A function that undoes `commit`."""
        if self.assign:
            olds = [(module, name, own) for module, name, own, _ in self.writes]

            def undo() -> None:
                for module, name, own in olds:
                    setattr(module, name, own)
        else:
            copies = [(own, own.detach().clone()) for _, _, own, _ in self.writes]

            def undo() -> None:
                with no_grad():
                    for own, old in copies:
                        own.copy_(old)

        return undo


def as_source(value: Any) -> Tensor | None:
    """The value of a state_dict as a tensor; arrays, and other libraries' tensors, count."""
    if isinstance(value, Tensor):
        return value
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu().resolve_conj().resolve_neg()
        if value.dtype is torch.bfloat16:  # which NumPy does not know
            return from_numpy(value.view(torch.int16).numpy().view(bfloat16.np))
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__"):
        a = np.asarray(value)
        return from_numpy(a if a.flags.writeable else a.copy())
    return None


def visit(
    module: Any, state: Any, prefix: str, metadata: Any, session: Session,
    missing: list[str], unexpected: list[str], errors: list[str], visited: list[Any],
) -> None:  # fmt: skip
    """Let every module of the tree plan its part; `visited` becomes the tree, children first."""
    if not prefix:
        session.nested = {k: v for k, v in state.items() if isinstance(v, Mapping)}
    local = dict(metadata.get(prefix[:-1], {})) if metadata is not None else {}
    local[SESSION] = session
    if session.assign:
        local[ASSIGN] = True
    module._load_from_state_dict(state, prefix, local, True, missing, unexpected, errors)
    for name, child in module._modules.items():
        if child is not None:
            below = f"{prefix}{name}."
            part = {k: v for k, v in state.items() if k.startswith(below)}
            visit(child, part, below, metadata, session, missing, unexpected, errors, visited)
    visited.append(module)


def name_keys(missing: list[str], unexpected: list[str], errors: list[str]) -> None:
    if unexpected:
        errors.insert(0, "Unexpected key(s) in state_dict: {}. ".format(", ".join(f'"{k}"' for k in unexpected)))
    if missing:
        errors.insert(0, "Missing key(s) in state_dict: {}. ".format(", ".join(f'"{k}"' for k in missing)))


def refuse(
    module: Any, session: Session, strict: bool, missing: list[str], unexpected: list[str], errors: list[str]
) -> None:
    """Add to `errors` what forbids the load."""
    if strict:
        name_keys(missing, unexpected, errors)
    if not errors and session.names and not session.matched and not session.extras:
        errors.append("none of the names in the state_dict is one of the module's.")


def _prefix(own: list[str], given: list[str]) -> str:
    """What to strip from (or, with a leading '+', to add to) every given name to make it one of `own`; or ''."""
    if not own or not given:
        return ""
    for sign, longer, shorter in (("", given, set(own)), ("+", own, set(given))):
        first = longer[0]
        for at in (i + 1 for i, c in enumerate(first) if c == "."):
            head = first[:at]
            if all(n.startswith(head) and n[at:] in shorter for n in longer):
                return sign + head
    return ""


def misfit(module: Any, session: Session, report: LoadReport, errors: list[str]) -> StateDictError:
    lines = [*errors, report.summary() + "; nothing was loaded."]
    prefix = _prefix(session.names, report.unexpected_keys)
    if prefix.startswith("+"):
        p = prefix[1:]
        lines.append(f'Every name lacks the prefix "{p}"; add it: {{"{p}" + k: v for k, v in state.items()}}')
    elif prefix:
        lines.append(
            f'Every name has the prefix "{prefix}"; strip it: '
            f'{{k.removeprefix("{prefix}"): v for k, v in state.items()}}'
        )
    else:
        nearest = report.nearest
        if nearest:
            lines.append("Nearest names: " + ", ".join(f'"{k}" -> "{v}"' for k, v in nearest.items()))
    for key, inner in session.nested.items():
        if not set(session.names).isdisjoint(inner):
            lines.append(f"The state_dict has these names one level down; load state[{key!r}] of it.")
    turned = [name for name, (theirs, ours) in report.mismatched.items() if len(ours) == 2 and theirs == ours[::-1]]
    if turned:
        lines.append(f"Transposed, it would fit: {_some(turned)} (dense weights are (out, in) here).")
    if report.mismatched:
        lines.append("To load the rest, leave out what error.report.mismatched names and pass strict=False.")
    e = StateDictError("Error(s) in loading state_dict for {}:\n\t{}".format(type(module).__name__, "\n\t".join(lines)))
    e.report = report
    return e

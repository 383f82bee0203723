"""`Module`: what layers and networks are made of. Not a dict; parts register by attribute, as in PyTorch."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ...autograd.core import describe, module_path, tls
from .convert import Conversions
from .hooks import (
    HookMethods,
    all_backward_hooks,
    all_backward_pre_hooks,
    all_forward_hooks,
    all_forward_pre_hooks,
    call_with_hooks,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from .registry import Registry, SelfRef
from .state import StateMethods

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "Module", "register_module_backward_hook", "register_module_buffer_registration_hook",
    "register_module_forward_hook", "register_module_forward_pre_hook", "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook", "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]  # fmt: skip


class Module(Registry, HookMethods, StateMethods, Conversions):
    """A layer or a network: parameters, buffers and child modules, and a `forward` that computes with them.

    Subclass it, call `super().__init__()` first, assign parts as attributes, and write `forward`; call the module,
    not `forward`, so that hooks run and errors name it.

    >>> import retrograd as rg
    >>> class Net(rg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = rg.nn.Linear(4, 8)
    ...         self.out = rg.nn.Linear(8, 2)
    ...
    ...     def forward(self, x):
    ...         return self.out(rg.relu(self.hidden(x)))
    >>> net = Net()
    >>> tuple(net(rg.zeros(3, 4)).shape)
    (3, 2)
    >>> [name for name, _ in net.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    """

    dump_patches: bool = False

    def _forward_unimplemented(self, *input: Any) -> Any:
        """What the module computes. Every subclass defines it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # A value, not a method: type checkers then accept a `forward` of any signature.
    forward: Callable[..., Any] = _forward_unimplemented

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        d = self.__dict__
        ref = d.get("_ref")
        if ref is None:
            ref = self._make_ref()
        s = tls.state
        was = s.module
        s.module = (was, ref)
        try:
            if (
                d["_forward_hooks"] or d["_forward_pre_hooks"] or d["_backward_hooks"] or d["_backward_pre_hooks"]
                or all_forward_hooks or all_forward_pre_hooks or all_backward_hooks or all_backward_pre_hooks
            ):  # fmt: skip
                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as e:
            note(e, s.module, args)
            raise
        finally:
            s.module = was

    def _make_ref(self) -> SelfRef:
        if "_modules" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__} was called before Module.__init__(); call super().__init__() first in __init__"
            )
        ref = self.__dict__["_ref"] = SelfRef(self)
        return ref

    # ------------------------------------------------------------ modes
    def train(self, mode: bool = True) -> Self:
        """Set training mode (or, with False, evaluation mode) here and below: it matters to dropout and batch norm."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and below; the same as `train(False)`."""
        return self.train(False)

    @contextmanager
    def evaluating(self) -> Iterator[Self]:
        """Evaluation mode inside a `with` block; afterwards every module is back in the mode it had.

        >>> import retrograd as rg
        >>> net = rg.nn.Sequential(rg.nn.Dropout(), rg.nn.Dropout().eval())
        >>> with net.evaluating():
        ...     print(net[0].training)
        False
        >>> net[0].training, net[1].training
        (True, False)
        """
        was = [(m, m.training) for m in self.modules()]
        self.eval()
        try:
            yield self
        finally:
            for module, mode in was:
                module.training = mode

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say of every parameter whether it receives gradients."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def freeze(self, *patterns: str) -> Self:
        """Stop gradients to the parameters whose dotted names match; without a pattern, to all.

        A pattern is a shell pattern (`*`, `?`, `[...]`) or the path of a child, which stands for all that is in it.
        Raises ValueError for a pattern that matches nothing.

        >>> import retrograd as rg
        >>> net = rg.nn.Sequential(rg.nn.Linear(2, 2), rg.nn.Linear(2, 2)).freeze("0")
        >>> [name for name, p in net.named_parameters() if p.requires_grad]
        ['1.weight', '1.bias']
        """
        return self._set_requires_grad(False, patterns, "freeze")

    def unfreeze(self, *patterns: str) -> Self:
        """The opposite of `freeze`."""
        return self._set_requires_grad(True, patterns, "unfreeze")

    def _set_requires_grad(self, value: bool, patterns: tuple[str, ...], who: str) -> Self:
        named = dict(self.named_parameters(remove_duplicate=False))
        chosen = set(named) if not patterns else set()
        for pattern in patterns:
            found = [n for n in named if fnmatch.fnmatchcase(n, pattern) or n.startswith(pattern + ".")]
            if not found:
                some = ", ".join(list(named)[:5]) + (", ..." if len(named) > 5 else "")
                raise ValueError(f"{who}: no parameter matches {pattern!r}; there are {some or 'none'}")
            chosen.update(found)
        for name in chosen:
            named[name].requires_grad_(value)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or (set_to_none=False) fill them with zeros."""
        for param in self.parameters():
            grad = param.grad
            if grad is None:
                continue
            if set_to_none:
                param.grad = None
            else:
                if grad.grad_fn is not None:
                    grad.detach_()
                else:
                    grad.requires_grad_(False)
                grad.zero_()

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below and then on this one, for example to initialize weights."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ------------------------------------------------------------ copying and printing
    def __getstate__(self) -> dict[str, Any]:
        # The weak reference names this very object, and the places of plain containers are notes to the author.
        return {k: v for k, v in self.__dict__.items() if k not in ("_ref", "_plain")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["_ref"] = SelfRef(self)

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What `repr` shows between the parentheses; override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        one_line = len(lines) == 1 and not self._modules
        for name, module in self._modules.items():
            lines.append(f"({name}): {indent(repr(module))}")
        if not lines:
            return self._get_name() + "()"
        body = lines[0] if one_line else "\n  " + "\n  ".join(lines) + "\n"
        return f"{self._get_name()}({body})"


def indent(text: str, by: int = 2) -> str:
    """`text` with every line after the first moved right; blank lines stay empty."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * by + line if line.strip() else "" for line in rest)])


def hooked(module: Module) -> bool:
    """Whether anything wants to be called when the module is."""
    d = module.__dict__
    return bool(
        d["_forward_hooks"] or d["_forward_pre_hooks"] or d["_backward_hooks"] or d["_backward_pre_hooks"]
        or all_forward_hooks or all_forward_pre_hooks or all_backward_hooks or all_backward_pre_hooks
    )  # fmt: skip


def note(e: Exception, record: Any, args: tuple[Any, ...]) -> None:
    """Add to an exception which module it came out of first, and what that was called with."""
    if any(note.startswith("in module ") for note in getattr(e, "__notes__", ())):
        return
    inner = record[1]()
    path = module_path(record)
    with suppress(Exception):  # a broken extra_repr must not hide the error it would explain
        if inner is not None and not inner._modules:
            path = path.replace(f"({type(inner).__name__})", f"({inner!r})")
    e.add_note(f"in module {path}, called with ({', '.join(describe(a) for a in args)})")

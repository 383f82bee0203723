"""Distribution: what all probability distributions have in common."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.backend import of
from ...autograd.grad_mode import no_grad
from ...autograd.size import Size
from . import constraints
from .utils import _LazyProperty, all_true

__all__ = ["Distribution"]


class _Missing:
    """An attribute that a subclass may define; reading it from an instance of one that does not is an error."""

    def __init__(self, name: str, doc: str) -> None:
        self.name = name
        self.__doc__ = doc

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        raise NotImplementedError(f"{type(instance)} does not implement {self.name}")


def _missing(name: str, doc: str) -> Any:
    return _Missing(name, doc)


class Distribution:
    """A probability distribution, or a batch of them: subclasses say which.

    batch_shape: the shape of the batch of (independent, not identical) distributions. event_shape: that of one value.
    A sample has the shape `sample_shape + batch_shape + event_shape`, `log_prob(sample)` the shape without the last.
    validate_args: whether parameters and values are checked, which `set_default_validate_args` says where it is None;
    ValueError is raised for those outside of `arg_constraints` and `support`.

    >>> import retrograd as rg
    >>> d = rg.distributions.Normal(rg.zeros(2), 1.0)
    >>> d.batch_shape, d.event_shape, d.sample((3,)).shape, d.log_prob(rg.zeros(3, 2)).shape
    (retrograd.Size([2]), retrograd.Size([]), retrograd.Size([3, 2]), retrograd.Size([3, 2]))
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: bool = __debug__

    arg_constraints = _missing("arg_constraints", "Name of a parameter -> the constraint that it satisfies.")
    support = _missing("support", "The constraint that values satisfy.")
    mean = _missing("mean", "The mean.")
    mode = _missing("mode", "The value of the largest density or probability.")
    variance = _missing("variance", "The variance.")

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Say whether distributions check parameters and values by default: they do, but not under `python -O`."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: True or False is expected, got {value!r}")
        Distribution._validate_args = bool(value)

    def __init__(
        self, batch_shape: Sequence[int] = (), event_shape: Sequence[int] = (), validate_args: bool | None = None
    ) -> None:
        self._batch_shape = Size(batch_shape)
        self._event_shape = Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        try:
            checks = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize the "
                "distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return
        for name, constraint in checks.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in vars(self) and isinstance(getattr(type(self), name, None), _LazyProperty):
                continue  # it would be computed from another, which is checked
            value = getattr(self, name)
            if not all_true(constraint.check(value)):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{_text(value)}"
                )

    # ------------------------------------------------------------ shapes
    @property
    def batch_shape(self) -> Size:
        """The shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one value."""
        return self._event_shape

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded to this batch shape, without checking them again."""
        raise NotImplementedError(f"{type(self)} does not implement expand")

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        """A bare instance for `expand` to fill."""
        if _instance is None and type(self).__init__ is not cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method must also define "
                "a custom .expand() method."
            )
        return type(self).__new__(type(self)) if _instance is None else _instance

    def _expand_into(self, cls: type, batch_shape: Sequence[int], _instance: Any, *names: str) -> Any:
        """`expand` for a class whose parameters `names`, as far as they are there, have the batch shape."""
        new = self._get_checked_instance(cls, _instance)
        for name in names:
            if name in vars(self):
                vars(new)[name] = vars(self)[name].expand(tuple(batch_shape))
        return self._expanded(new, batch_shape)

    def _expanded(self, new: Any, batch_shape: Sequence[int]) -> Any:
        """The instance with the shapes set, at the end of `expand`."""
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        """The shape of a sample."""
        return Size(sample_shape) + self._batch_shape + self._event_shape

    # ------------------------------------------------------------ samples
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A sample of shape `sample_shape + batch_shape + event_shape`, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A sample that is a differentiable function of the parameters, where `has_rsample`."""
        raise NotImplementedError(f"{type(self)} does not implement rsample; sample() has no gradient")

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`, under its old name."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", category=FutureWarning, stacklevel=2
        )
        return self.sample((n,))

    # ------------------------------------------------------------ values
    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at `value`."""
        raise NotImplementedError(f"{type(self)} does not implement log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of being at most `value`."""
        raise NotImplementedError(f"{type(self)} does not implement cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The quantiles of the probabilities `value`: the inverse of `cdf`."""
        raise NotImplementedError(f"{type(self)} does not implement icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along dimension 0: `(cardinality,) + batch_shape + event_shape`.

        The batch dimensions are 1 where `expand` is False.
        """
        raise NotImplementedError(f"{type(self)} does not implement enumerate_support")

    def entropy(self) -> Tensor:
        """The entropy, in nats, of shape batch_shape."""
        raise NotImplementedError(f"{type(self)} does not implement entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy()), of shape batch_shape."""
        return self.entropy().exp()

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def _validate_sample(self, value: Any) -> None:
        """Raise ValueError unless `value` is a tensor that fits to the shapes and lies in the support."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape = value.shape
        if shape[len(shape) - len(self._event_shape) :] != self._event_shape:
            raise ValueError(f"The right-most size of value must match event_shape: {shape} vs {self._event_shape}.")
        expected = self._batch_shape + self._event_shape
        for i, j in zip(reversed(shape), reversed(expected), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {shape} vs {expected}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the distribution "
                "with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not all_true(support.check(value)):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{_text(value)}"
            )

    def _checked(self, value: Tensor) -> Tensor:
        """The value, validated where the distribution validates."""
        if self._validate_args:
            self._validate_sample(value)
        return value

    def __repr__(self) -> str:
        shown = [(k, vars(self)[k]) for k in self.arg_constraints if k in vars(self)]
        return (
            f"{type(self).__name__}({', '.join(f'{k}: {_text(v) if v.numel() == 1 else v.size()}' for k, v in shown)})"
        )


def _text(value: Any) -> str:
    """A value in a message; inside a vmap a number differs from sample to sample, and prints as the tensor that it is."""
    return repr(value) if of(value._data).name == "lifted" else f"{value}"

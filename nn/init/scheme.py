"""A whole model initialized at once: `apply` picks by layer and by the activation that follows it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...autograd import Tensor, no_grad
from ...autograd.random import Generator
from .fill import normal_, uniform_, xavier_normal_, zeros_
from .gains import fans
from .structured import delta_orthogonal_, identity_, orthogonal_

if TYPE_CHECKING:
    from ..modules.module import Module
    from .rules import Following

__all__ = ["SCHEMES", "Step", "apply", "plan"]

M = TypeVar("M", bound="Module")

SCHEMES = (
    "auto", "delta_orthogonal", "he_normal", "he_uniform", "identity", "kaiming_normal", "kaiming_uniform",
    "lecun_normal", "lecun_uniform", "orthogonal", "xavier_normal", "xavier_uniform",
)  # fmt: skip


class Step(NamedTuple):
    """One line of a plan: what is drawn for a parameter, and before which activation it stands."""

    name: str
    shape: tuple[int, ...]
    activation: str
    scheme: str
    std: float | None  # of the elements drawn; None where they are not drawn one by one


class _Task(NamedTuple):
    step: Step
    module: Any
    own: str  # the parameter's name in its module
    fill: Callable[[Tensor], Any]


def apply(
    model: M,
    scheme: str | Callable[[Tensor], Any] = "auto",
    *,
    nonlinearity: str | None = None,
    mode: str = "fan_in",
    example: Any = None,
    generator: Generator | None = None,
) -> M:
    """Initialize all layers of a model, each as suits it and the activation that follows it; returns the model.

    scheme 'auto':

    - before ReLU and its kin (leaky, PReLU, ELU, GELU, SiLU, ...): He normal, `std = gain / sqrt(fan)`, with the gain of
      that activation (`variance_gain`);
    - before SELU and LeCun's tanh: LeCun normal, `std = 1 / sqrt(fan_in)`;
    - before tanh, sigmoid and others, and where no activation follows: Xavier uniform, `std = sqrt(2 / (fan_in + fan_out))`;
    - recurrent layers: Xavier uniform for the inputs, orthogonal for the states, gate by gate; forget gates begin open
      (`lstm_forget_bias_`);
    - attention: Xavier uniform for query, key and value apart; embeddings: standard normal, 0 at padding_idx;
    - normalizations: weight 1, bias 0. All other biases: 0.

    Another scheme is taken for all weights: the name of one of `SCHEMES` (He's with the gain of the activation that
    follows), or a function that fills a tensor, such as `normal_`; embeddings, biases and normalizations are as above.
    fan is that of `fans(layer)`, so groups, strides and stacked gates count; parameters that a module of your own
    defines are left alone, and tied ones are filled once.

    The activation that follows a layer is the next activation module in the order of definition, behind normalization,
    dropout and pooling. Calls of functions are invisible there: give nonlinearity='relu' (or any name in
    `nn.functional`) for layers that no module follows, or example=x (a tuple for several arguments), with which the model
    is called once in evaluation mode and the activations are read off the graph. mode: the fan of He's schemes, 'fan_in'
    (keeps the variance of activations) or 'fan_out' (that of gradients).

    Raises ValueError for an unknown scheme, nonlinearity or mode, and for lazy layers that were not called yet. `plan`
    says what would be done.

    LeCun et al., "Efficient BackProp", 1998; Glorot & Bengio, AISTATS 2010; He et al., ICCV 2015; Klambauer et al.,
    "Self-Normalizing Neural Networks", NIPS 2017; Saxe et al., ICLR 2014.

    >>> import retrograd as rg
    >>> net = rg.nn.Sequential(rg.nn.Linear(200, 100), rg.nn.ReLU(), rg.nn.Linear(100, 100), rg.nn.Tanh())
    >>> net = rg.nn.init.apply(net)
    >>> round(net[0].weight.std().item(), 1), bool((net[2].weight.abs() <= (6 / 200) ** 0.5).all())
    (0.1, True)
    """
    for task in _tasks(model, scheme, nonlinearity, mode, example, generator):
        _run(task)
    return model


def plan(
    model: Any, scheme: str | Callable[[Tensor], Any] = "auto", *, nonlinearity: str | None = None,
    mode: str = "fan_in", example: Any = None,
) -> list[Step]:  # fmt: skip
    """What `apply` would do with the same arguments, line by line; nothing is changed.

    >>> import retrograd as rg
    >>> net = rg.nn.Sequential(rg.nn.Linear(128, 100), rg.nn.ReLU(), rg.nn.Linear(100, 1))
    >>> for step in rg.nn.init.plan(net):
    ...     print(step.name, step.shape, step.activation, step.scheme, round(step.std, 3))
    0.weight (100, 128) relu kaiming_normal 0.125
    0.bias (100,) relu zeros 0.0
    2.weight (1, 100) linear xavier_uniform 0.141
    2.bias (1,) linear zeros 0.0
    """
    return [task.step for task in _tasks(model, scheme, nonlinearity, mode, example, None)]


def _run(task: _Task) -> None:
    from ..utils.parametrize import is_parametrized

    if is_parametrized(task.module, task.own):  # the value is computed: hand a filled one to its inverse
        value = getattr(task.module, task.own).detach().clone()
        task.fill(value)
        setattr(task.module, task.own, value)
    else:
        with no_grad():
            task.fill(getattr(task.module, task.own))


# ---------------------------------------------------------------- what is to be done
def _tasks(
    model: Any, scheme: Any, nonlinearity: str | None, mode: str, example: Any, generator: Generator | None
) -> list[_Task]:
    from . import rules

    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    if isinstance(scheme, str):
        scheme = scheme.replace("he_", "kaiming_") if scheme.startswith("he_") else scheme
        if scheme not in SCHEMES:
            raise ValueError(
                f"init.apply: unknown scheme {scheme!r}; expected a function or one of {', '.join(SCHEMES)}"
            )
    elif not callable(scheme):
        raise TypeError(f"init.apply: scheme must be a name or a function, got {type(scheme).__name__}")
    default = rules.LINEAR if nonlinearity is None else rules.known(nonlinearity)
    if default is None:
        raise ValueError(
            f"init.apply: unknown nonlinearity {nonlinearity!r}; expected the name of one in nn.functional"
        )
    after = rules.following(model) if example is None else rules.traced(model, example)
    chooser = _Chooser(scheme, mode, generator)
    found: list[_Task] = []
    seen: set[int] = set()
    for path, module in model.named_modules():
        _check_shapes(module)
        for own, activation, name, std, fill in chooser.of(module, after.get(id(module), default)):
            value = getattr(module, own, None)
            if value is None or _key(module, own) in seen:
                continue
            seen.add(_key(module, own))
            dotted = f"{path}.{own}" if path else own
            found.append(_Task(Step(dotted, tuple(value.shape), activation, name, std), module, own, fill))
    return found


def _key(module: Any, own: str) -> int:
    """The identity of a parameter, also where it is computed anew at each reading."""
    chain = getattr(module, "parametrizations", None)
    return id(chain[own] if chain is not None and own in chain else getattr(module, own))


def _check_shapes(module: Any) -> None:
    from ..parameter import is_lazy

    if any(is_lazy(p) for p in module._parameters.values()):
        raise ValueError(
            f"init.apply: {type(module).__name__} has parameters without a shape; call the model on a batch once before"
        )


Choice = tuple[str, str, str, "float | None", Callable[[Tensor], Any]]


class _Chooser:
    """What suits each parameter of a module, under one scheme."""

    def __init__(self, scheme: Any, mode: str, generator: Generator | None) -> None:
        self.scheme, self.mode, self.generator = scheme, mode, generator

    def of(self, module: Any, after: Following) -> Iterator[Choice]:
        """(parameter, activation, scheme, standard deviation, how to fill it) for each parameter that is to be filled."""
        from ..modules.attention import MultiheadAttention
        from ..modules.batchnorm import _NormBase
        from ..modules.normalization import GroupNorm, LayerNorm, RMSNorm
        from ..modules.rnn import RNNBase, RNNCellBase
        from ..modules.sparse import Embedding, EmbeddingBag
        from . import rules

        if isinstance(module, Embedding | EmbeddingBag):
            yield "weight", after.name, "normal", 1.0, lambda t: self._embedding(t, module.padding_idx)
        elif isinstance(module, RNNBase | RNNCellBase):
            yield from self._recurrent(module)
        elif isinstance(module, MultiheadAttention):
            yield from self._attention(module)
        elif isinstance(module, _NormBase | LayerNorm | GroupNorm | RMSNorm):
            yield "weight", after.name, "ones", 0.0, lambda t: t.fill_(1)
            yield "bias", after.name, "zeros", 0.0, zeros_
        elif rules.is_weighted(module):
            groups = getattr(module, "groups", 1)
            yield "weight", *self._weight(module, "weight", after, groups)
            yield "bias", after.name, "zeros", 0.0, zeros_

    def _embedding(self, t: Tensor, padding: int | None) -> None:
        normal_(t, 0.0, 1.0, self.generator)
        if padding is not None:
            t[padding] = 0

    def _recurrent(self, module: Any) -> Iterator[Choice]:
        from . import rules

        relu = getattr(module, "nonlinearity", "tanh") == "relu"
        inside = rules.known("relu" if relu else "tanh")
        assert inside is not None
        for own in [name for name, _ in module.named_parameters(recurse=False)]:
            gates = getattr(module, own).shape[0] // module.hidden_size
            if own.startswith("bias_"):
                n, opened = module.hidden_size, gates == 4 and own.startswith("bias_ih")
                name = "forget gate open" if opened else "zeros"
                yield own, inside.name, name, None if opened else 0.0, lambda t, n=n, o=opened: _gate_bias(t, n, o)
            elif own.startswith("weight_hh") and self.scheme == "auto":
                yield own, inside.name, "orthogonal", None, lambda t, g=gates: self._blocks(t, g, self._orthogonal)
            elif own.startswith("weight_hr"):
                yield own, *self._weight(module, own, rules.LINEAR, 1)
            elif own.startswith(("weight_ih", "weight_hh")):
                yield own, *self._weight(module, own, inside, gates)

    def _attention(self, module: Any) -> Iterator[Choice]:
        from . import rules

        yield "in_proj_weight", *self._weight(module, "in_proj_weight", rules.LINEAR, 3)
        for own in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
            yield own, *self._weight(module, own, rules.LINEAR, 1)
        yield "in_proj_bias", "linear", "zeros", 0.0, zeros_
        for own in ("bias_k", "bias_v"):
            std = math.sqrt(2 / (module.embed_dim * 2))
            yield own, "linear", "xavier_normal", std, lambda t: xavier_normal_(t, generator=self.generator)

    def _orthogonal(self, t: Tensor, gain: float = 1.0) -> None:
        orthogonal_(t, gain, self.generator)

    @staticmethod
    def _blocks(t: Tensor, n: int, fill: Callable[[Tensor], Any]) -> None:
        """Fill n stacked matrices one by one."""
        for block in t.chunk(n) if n > 1 else (t,):
            fill(block)

    def _weight(
        self, module: Any, own: str, after: Following, blocks: int
    ) -> tuple[str, str, float | None, Callable[[Tensor], Any]]:
        """(activation, scheme, standard deviation, how to fill it) for a weight of stacked blocks."""
        scheme = after.scheme if self.scheme == "auto" else self.scheme
        if not isinstance(scheme, str):
            return after.name, getattr(scheme, "__name__", "function"), None, scheme
        if getattr(module, own, None) is None:
            return after.name, scheme, None, zeros_
        if scheme in ("orthogonal", "delta_orthogonal", "identity"):
            # A weight in PyTorch's shape is (outputs, inputs, *kernel), but for transposed convolutions.
            fill = {"orthogonal": self._orthogonal, "delta_orthogonal": self._delta, "identity": identity_}[scheme]
            gain = after.gain if scheme != "identity" else 1.0
            return after.name, scheme, None, lambda t: self._blocks(t, blocks, lambda block: fill(block, gain))
        fan_in, fan_out = fans(module, own)
        if scheme.startswith("xavier"):
            std = math.sqrt(2 / (fan_in + fan_out))
        elif scheme.startswith("lecun"):
            std = 1 / math.sqrt(max(fan_in, 1))
        else:
            std = after.gain / math.sqrt(max(fan_in if self.mode == "fan_in" else fan_out, 1))
        if scheme.endswith("uniform"):
            bound = math.sqrt(3) * std
            return after.name, scheme, std, lambda t: uniform_(t, -bound, bound, self.generator)
        return after.name, scheme, std, lambda t: normal_(t, 0.0, std, self.generator)

    def _delta(self, t: Tensor, gain: float) -> None:
        """Delta-orthogonal where there is a kernel and room for it, else orthogonal."""
        (delta_orthogonal_ if 3 <= t.ndim <= 5 and t.shape[1] <= t.shape[0] else orthogonal_)(t, gain, self.generator)


def _gate_bias(t: Tensor, n: int, opened: bool) -> None:
    t.fill_(0)
    if opened:
        t[n : 2 * n] = 1

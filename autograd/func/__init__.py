"""Function transforms: derivatives and vectorised versions of functions, to be nested in any order.

The names are those of `torch.func`. A transform takes a function and returns a function (`vjp`, `jvp`, `linearize` and
`hvp` are called with the inputs at once); inputs and outputs may be nested in dicts, lists and tuples.

>>> import retrograd as rg
>>> from retrograd.func import grad, vmap
>>> grad(grad(rg.sin))(rg.tensor(0.5)) == -rg.sin(rg.tensor(0.5))
tensor(True)
>>> vmap(grad(lambda w, x: (w @ x) ** 2), in_dims=(None, 0))(rg.ones(2), rg.eye(2))  # one gradient per sample
tensor([[2., 0.],
        [0., 2.]])
"""

from .forward import hessian, hvp, jacfwd, jvp, linearize
from .mapping import debug_unwrap, functionalize, vmap
from .modules import functional_call, stack_module_state
from .reverse import grad, grad_and_value, jacrev, value_and_grad, vjp

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "hvp", "jacfwd", "jacrev",
    "jvp", "linearize", "stack_module_state", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

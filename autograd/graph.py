"""The graph as users see it: nodes, hooks on saved tensors (`torch.autograd.graph`)."""

from __future__ import annotations

from typing import Any

from .core import Leaf, Node, TensorBase
from .hooks import saved_tensors_hooks

__all__ = ["Leaf", "Node", "get_gradient_edge", "save_on_cpu", "saved_tensors_hooks"]


class save_on_cpu(saved_tensors_hooks):
    """Context manager: what is saved for backward is kept in the CPU's memory and moved back when it is used."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(t: Any) -> Any:
            return t.device, t.cpu()

        def unpack(packed: Any) -> Any:
            device, t = packed
            return t.to(device)

        super().__init__(pack, unpack)


def get_gradient_edge(tensor: TensorBase) -> tuple[Any, int]:
    """The (node, output number) whose gradient is the tensor's."""
    n = tensor._node
    if n is None:
        raise RuntimeError("get_gradient_edge: the tensor does not require grad")
    if type(n) is Node and n.op.name == "pick":
        return n.many[0], n.saved[1][1]  # type: ignore[index]
    return n, 0

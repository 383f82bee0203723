"""Vector code written as LLVM: Numba's own loops do not keep a tile of accumulators in registers."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core import config as _config

__all__ = ["WIDTH", "Code", "lanes"]

config: Any = _config


def _width() -> int:
    """Bytes of the vectors that the processor computes with."""
    given = config.CPU_FEATURES
    if config.CPU_NAME == "generic" and given is None:
        return 16
    features = llvm.get_host_cpu_features().flatten() if given is None else given
    return 64 if "+avx512f" in features else 32 if "+avx" in features else 16


WIDTH = _width()


def lanes(itemsize: int) -> int:
    """Elements of a vector."""
    return WIDTH // itemsize


class Code:
    """Emits vector code into a function that Numba compiles."""

    def __init__(self, context: Any, builder: Any, number: Any, width: int = WIDTH) -> None:
        self.b = builder
        self.element = context.get_value_type(number)
        self.size = context.get_abi_sizeof(self.element)
        self.lanes = width // self.size
        self.vector = ir.VectorType(self.element, self.lanes)
        self.int = context.get_value_type(types.intp)
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)
        name = f"llvm.fma.v{self.lanes}f{8 * self.size}"
        self.fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(self.vector, [self.vector] * 3), name)

    def const(self, n: int) -> Any:
        return ir.Constant(self.int, n)

    def at(self, address: Any, kind: Any) -> Any:
        return self.b.inttoptr(address, kind.as_pointer())

    def load(self, address: Any, offset: int = 0) -> Any:
        """A vector; addresses are multiples of an element's size, not of a vector's."""
        if offset:
            address = self.b.add(address, self.const(offset))
        return self.b.load(self.at(address, self.vector), align=self.size)

    def prefetch(self, address: Any) -> None:
        """Fetch the line of memory at an address, to be written."""
        kind, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        fetch = cgutils.get_or_insert_function(
            self.b.module, ir.FunctionType(ir.VoidType(), [kind, flag, flag, flag]), "llvm.prefetch.p0i8"
        )
        self.b.call(fetch, [self.b.inttoptr(address, kind), flag(1), flag(3), flag(1)])

    def integer(self, address: Any, index: Any) -> Any:
        return self.b.load(self.at(self.b.add(address, self.b.mul(index, self.const(8))), self.int))

    def spread(self, address: Any, offset: int) -> Any:
        """The number at an address in all lanes."""
        return self.splat(self.b.load(self.at(self.b.add(address, self.const(offset)), self.element), align=self.size))

    def splat(self, number: Any) -> Any:
        one = self.b.insert_element(ir.Constant(self.vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.b.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), mask)

    def accumulators(self, rows: int, columns: int) -> list[list[Any]]:
        made = [[cgutils.alloca_once(self.b, self.vector) for _ in range(columns)] for _ in range(rows)]
        for row in made:
            for a in row:
                self.b.store(self.zero, a)
        return made

    def multiply_add(self, a: Any, x: Any, y: Any) -> None:
        self.b.store(self.b.call(self.fma, [x, y, self.b.load(a)]), a)

    def total(self, a: Any) -> Any:
        """The sum of a vector's lanes, by halves."""
        v, n = self.b.load(a), self.lanes
        while n > 1:
            n //= 2
            kind = ir.VectorType(ir.IntType(32), n)
            low = ir.Constant(kind, list(range(n)))
            high = ir.Constant(kind, list(range(n, 2 * n)))
            undefined = ir.Constant(v.type, ir.Undefined)
            v = self.b.fadd(self.b.shuffle_vector(v, undefined, low), self.b.shuffle_vector(v, undefined, high))
        return self.b.extract_element(v, ir.Constant(ir.IntType(32), 0))

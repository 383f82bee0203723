"""A pickle machine that cannot run code: it builds plain data, and calls nothing but the constructors it is given.

`pickle.Unpickler` imports and calls whatever a file names. Here a name is looked up in a table and becomes a `Builder`,
which only `REDUCE` applies, and no object's own methods are ever used. Operations that need more (INST, OBJ, extension
registry, protocols 0 and 1 in text) are refused. Every length is compared with the file before memory is taken, and what
copies data a second time (a tuple to a set, text to bytes) draws on a budget as large as the pickle: memory is bounded by
a multiple of the file's size.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .device import device
from .dtypes import dtype
from .size import Size
from .tensorfile import CheckpointError

__all__ = ["Builder", "Machine", "brief", "find_in", "names_in"]

_MAX_NAME = 500  # characters of a module's or a class's name
_MAX_KEY = 1000  # parts of a tuple that is a dictionary's key: hashing goes through all of them, every time
_PLAIN = (str, int, float, bool, type(None), bytes, complex, dtype, device)


class Builder:
    """A name that a pickle may use: `make(machine, arguments)` builds the object, from arguments that it checks."""

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable[[Machine, tuple[Any, ...]], Any]) -> None:
        self.name = name
        self.make = make

    def __repr__(self) -> str:
        return f"<{self.name}>"


def brief(x: Any) -> str:
    """A value for a message: short, whatever a file has put into it."""
    if isinstance(x, (str, bytes)):
        return repr(x[:60]) + ("..." if len(x) > 60 else "")
    if type(x) is int:
        return str(x) if x.bit_length() < 200 else f"a number of {x.bit_length()} bits"
    if x is None or isinstance(x, (bool, float, Builder, dtype, device)):
        return repr(x)
    if isinstance(x, tuple) and len(x) <= 8 and all(type(i) is int for i in x):
        return "(" + ", ".join(map(brief, x)) + ("," if len(x) == 1 else "") + ")"
    return f"an object of type {type(x).__name__}"


# ---------------------------------------------------------------- reading operations
def _int_bytes(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _fixed(form: str) -> Callable[[bytes], Any]:
    return lambda raw: struct.unpack(form, raw)[0]


# operation -> (bytes of its argument, how to read them)
_FIXED: dict[int, tuple[int, Callable[[bytes], Any]]] = {
    pickle.BININT[0]: (4, _fixed("<i")),
    pickle.BININT1[0]: (1, _fixed("<B")),
    pickle.BININT2[0]: (2, _fixed("<H")),
    pickle.BINFLOAT[0]: (8, _fixed(">d")),
    pickle.BINGET[0]: (1, _fixed("<B")),
    pickle.LONG_BINGET[0]: (4, _fixed("<I")),
    pickle.BINPUT[0]: (1, _fixed("<B")),
    pickle.LONG_BINPUT[0]: (4, _fixed("<I")),
    pickle.PROTO[0]: (1, _fixed("<B")),
    pickle.FRAME[0]: (8, _fixed("<Q")),
}
# operation -> (bytes of the length, how to read what follows)
_COUNTED: dict[int, tuple[int, Callable[[bytes], Any]]] = {
    pickle.LONG1[0]: (1, _int_bytes),
    pickle.LONG4[0]: (4, _int_bytes),
    pickle.SHORT_BINSTRING[0]: (1, _text),  # text of Python 2
    pickle.BINSTRING[0]: (4, _text),
    pickle.SHORT_BINUNICODE[0]: (1, _text),
    pickle.BINUNICODE[0]: (4, _text),
    pickle.BINUNICODE8[0]: (8, _text),
    pickle.SHORT_BINBYTES[0]: (1, bytes),
    pickle.BINBYTES[0]: (4, bytes),
    pickle.BINBYTES8[0]: (8, bytes),
    pickle.BYTEARRAY8[0]: (8, bytearray),
}
_GLOBAL = pickle.GLOBAL[0]


def operations(data: memoryview, at: int, source: str) -> Iterator[tuple[int, Any, int]]:
    """(operation, its argument, where the next one begins) from byte `at` to the STOP."""
    size = len(data)
    while True:
        if at >= size:
            raise CheckpointError(f"load: {source}: the pickle ends at byte {at} without a STOP; the file is cut off")
        op = data[at]
        at += 1
        if op in _FIXED:
            count, read = _FIXED[op]
        elif op in _COUNTED:
            width, read = _COUNTED[op]
            count = int.from_bytes(data[at : at + width], "little")
            at += width
        elif op == _GLOBAL:
            lines = bytes(data[at : at + 2 * _MAX_NAME]).split(b"\n", 2)
            if len(lines) < 3:
                raise CheckpointError(f"load: {source}: the name at byte {at} of the pickle has no end; it is damaged")
            at += len(lines[0]) + len(lines[1]) + 2
            yield op, (_name(lines[0], source), _name(lines[1], source)), at
            continue
        elif op in _DO:
            yield op, None, at
            if op == pickle.STOP[0]:
                return
            continue
        else:
            raise CheckpointError(
                f"load: {source}: byte {at - 1} of the pickle is the operation {bytes([op])!r}, which no checkpoint "
                "of tensors needs; the file is damaged, or not what it claims to be"
            )
        if count > size - at:
            raise CheckpointError(
                f"load: {source}: the pickle claims {count} bytes at byte {at}, where {max(size - at, 0)} are left; "
                "the file is damaged or incomplete"
            )
        yield op, read(bytes(data[at : at + count])), at + count
        at += count


def _name(raw: bytes, source: str) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise CheckpointError(f"load: {source}: the pickle names {raw[:60]!r}; it is damaged") from None


def names_in(data: memoryview, at: int, source: str) -> list[str]:
    """The dotted names that the pickle mentions, as far as it can be read; nothing is looked up."""
    found = []
    try:
        for op, argument, _ in operations(data, at, source):
            if op == _GLOBAL:
                found.append(".".join(argument))
    except (CheckpointError, UnicodeError):
        pass
    return found


# ---------------------------------------------------------------- the machine
class Machine:
    """Runs one pickle.

    data: the bytes; at: where the pickle begins. find: from (module, name) to a value (a `Builder`, or what the name
    stands for); it raises CheckpointError for a name that is not allowed. persistent: from a persistent id to its
    value. attach: what BUILD does, from (object, state); by default nothing is built upon. budget: the size of the file,
    where the pickle is a part of it.
    """

    def __init__(
        self,
        data: memoryview,
        at: int,
        source: str,
        find: Callable[[str, str], Any] | None = None,
        persistent: Callable[[Any], Any] | None = None,
        attach: Callable[[Any, Any], None] | None = None,
        budget: int = 0,
    ) -> None:
        self.data = data
        self.at = at
        self.source = source
        self.calling = False  # inside a function of the program's own, whose errors are not the file's
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks below the marks
        self.memo: dict[int, Any] = {}
        self._find = find
        self._persistent = persistent
        self._attach = attach
        self._left = 2 * max(len(data) - at, budget) + 1000

    def damaged(self, what: str) -> CheckpointError:
        """The error to raise about the pickle."""
        return CheckpointError(f"load: {self.source}: {what}; the file is damaged, or not what it claims to be")

    def spend(self, amount: int) -> None:
        """Account for memory that an argument of this size takes a second time."""
        self._left -= amount
        if self._left < 0:
            raise self.damaged("the pickle multiplies its data, far beyond the size of the file")

    def key(self, k: Any) -> Any:
        """k, if it may be a dictionary's key: plain values and small tuples of them; tensors by identity."""
        if type(k) in _PLAIN or hasattr(k, "_node"):
            return k
        todo, parts = [k], 0
        while todo:
            x = todo.pop()
            parts += 1
            if type(x) in (tuple, Size) and len(x) + len(todo) + parts <= _MAX_KEY:
                todo.extend(x)
            elif type(x) not in _PLAIN:
                raise self.damaged(f"a dictionary has {brief(x)} in a key")
        return k

    def load(self) -> Any:
        """The object that the pickle describes; `at` is then the byte after it."""
        try:
            return self._run()
        except CheckpointError:
            raise
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError, struct.error) as e:
            if self.calling:
                raise
            raise self.damaged(f"the pickle cannot be followed ({type(e).__name__}: {str(e)[:200]})") from e

    def _run(self) -> Any:
        for op, argument, end in operations(self.data, self.at, self.source):
            self.at = end
            do = _DO.get(op)
            if do is None:
                self.stack.append(argument)
            else:
                do(self, argument)
        if self.below or len(self.stack) != 1:
            raise self.damaged("the pickle stops in the middle of an object")
        return self.stack[0]

    def popmark(self) -> list[Any]:
        """What lies above the last mark, taken off the stack."""
        items = self.stack
        self.stack = self.below.pop()
        return items

    def fill(self, target: dict[Any, Any], items: list[Any]) -> None:
        """Put keys and values, in turn, into a dictionary."""
        if len(items) % 2:
            raise self.damaged("a dictionary has a key without a value")
        for i in range(0, len(items), 2):
            target[self.key(items[i])] = items[i + 1]

    def _pass(self, argument: Any) -> None:
        """STOP; FRAME, whose length is for readers of streams."""

    def _proto(self, argument: int) -> None:
        if argument > pickle.HIGHEST_PROTOCOL:
            raise self.damaged(f"it claims the pickle protocol {argument}")

    def _get(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    def _put(self, argument: int) -> None:
        self.memo[argument] = self.stack[-1]

    def _memoize(self, argument: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _mark(self, argument: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _pop(self, argument: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.popmark()

    def _popmark(self, argument: Any) -> None:
        self.popmark()

    def _dup(self, argument: Any) -> None:
        self.stack.append(self.stack[-1])

    def _tuple(self, argument: Any) -> None:
        items = self.popmark()
        self.stack.append(tuple(items))

    def _last(self, count: int) -> None:
        if len(self.stack) < count:
            raise self.damaged("the pickle takes more from its stack than there is")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _list(self, argument: Any) -> None:
        items = self.popmark()
        self.stack.append(items)

    def _dict(self, argument: Any) -> None:
        items = self.popmark()
        found: dict[Any, Any] = {}
        self.fill(found, items)
        self.stack.append(found)

    def _frozenset(self, argument: Any) -> None:
        items = self.popmark()
        self.stack.append(frozenset(map(self.key, items)))

    def _append(self, argument: Any) -> None:
        item = self.stack.pop()
        self._extend([item])

    def _appends(self, argument: Any) -> None:
        self._extend(self.popmark())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise self.damaged(f"the pickle appends to {brief(target)}")
        target.extend(items)

    def _additems(self, argument: Any) -> None:
        items = self.popmark()
        target = self.stack[-1]
        if type(target) is not set:
            raise self.damaged(f"the pickle adds to {brief(target)}")
        target.update(map(self.key, items))

    def _setitem(self, argument: Any) -> None:
        value = self.stack.pop()
        self._update([self.stack.pop(), value])

    def _setitems(self, argument: Any) -> None:
        self._update(self.popmark())

    def _update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict, Counter):
            raise self.damaged(f"the pickle sets items of {brief(target)}")
        self.fill(target, items)

    def _global(self, argument: tuple[str, str]) -> None:
        if self._find is None:
            raise self.damaged(f"the pickle names {argument[0]}.{argument[1]} where plain numbers are expected")
        self.stack.append(self._find(*argument))

    def _stack_global(self, argument: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str or len(name) + len(module) > 2 * _MAX_NAME:
            raise self.damaged(f"the pickle names {brief(module)}.{brief(name)}")
        self._global((module, name))

    def _reduce(self, argument: Any) -> None:
        arguments, builder = self.stack.pop(), self.stack.pop()
        self.stack.append(self.build(builder, arguments))

    def build(self, builder: Any, arguments: Any) -> Any:
        """What a name of the table makes of a tuple of arguments."""
        if type(builder) is not Builder or type(arguments) is not tuple:
            raise self.damaged(f"the pickle calls {brief(builder)} with {brief(arguments)}")
        return builder.make(self, arguments)

    def _build(self, argument: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if self._attach is None:
            raise self.damaged(f"the pickle sets the state of {brief(target)}")
        self._attach(target, state)

    def _binpersid(self, argument: Any) -> None:
        if self._persistent is None:
            raise self.damaged("the pickle refers to an object outside it")
        self.stack.append(self._persistent(self.stack.pop()))


# operation -> what it does; those that are not here put their argument on the stack
_DO: dict[int, Callable[[Machine, Any], None]] = {
    pickle.PROTO[0]: Machine._proto,
    pickle.FRAME[0]: Machine._pass,
    pickle.STOP[0]: Machine._pass,
    pickle.BINGET[0]: Machine._get,
    pickle.LONG_BINGET[0]: Machine._get,
    pickle.BINPUT[0]: Machine._put,
    pickle.LONG_BINPUT[0]: Machine._put,
    pickle.MEMOIZE[0]: Machine._memoize,
    pickle.MARK[0]: Machine._mark,
    pickle.POP[0]: Machine._pop,
    pickle.POP_MARK[0]: Machine._popmark,
    pickle.DUP[0]: Machine._dup,
    pickle.NONE[0]: lambda self, argument: self.stack.append(None),
    pickle.NEWTRUE[0]: lambda self, argument: self.stack.append(True),
    pickle.NEWFALSE[0]: lambda self, argument: self.stack.append(False),
    pickle.EMPTY_TUPLE[0]: lambda self, argument: self.stack.append(()),
    pickle.EMPTY_LIST[0]: lambda self, argument: self.stack.append([]),
    pickle.EMPTY_DICT[0]: lambda self, argument: self.stack.append({}),
    pickle.EMPTY_SET[0]: lambda self, argument: self.stack.append(set()),
    pickle.TUPLE[0]: Machine._tuple,
    pickle.TUPLE1[0]: lambda self, argument: self._last(1),
    pickle.TUPLE2[0]: lambda self, argument: self._last(2),
    pickle.TUPLE3[0]: lambda self, argument: self._last(3),
    pickle.LIST[0]: Machine._list,
    pickle.DICT[0]: Machine._dict,
    pickle.FROZENSET[0]: Machine._frozenset,
    pickle.APPEND[0]: Machine._append,
    pickle.APPENDS[0]: Machine._appends,
    pickle.ADDITEMS[0]: Machine._additems,
    pickle.SETITEM[0]: Machine._setitem,
    pickle.SETITEMS[0]: Machine._setitems,
    pickle.GLOBAL[0]: Machine._global,
    pickle.STACK_GLOBAL[0]: Machine._stack_global,
    pickle.REDUCE[0]: Machine._reduce,
    pickle.NEWOBJ[0]: Machine._reduce,
    pickle.BUILD[0]: Machine._build,
    pickle.BINPERSID[0]: Machine._binpersid,
}


def find_in(table: Mapping[tuple[str, str], Any], module: str, name: str) -> Any:
    """The entry of a table of names, under Python 3's name for a module of Python 2."""
    return table.get(({"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module), name))

"""A pickle read symbolically: opcodes build inert records; nothing is imported, nothing is called.

A class or function that the stream names becomes a ``Global``, what would be made with it an ``Opaque`` record, a
tensor's storage a ``Persistent`` record. Whether the names are harmless is for the caller to judge: ``Stream.globals``.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, cast

from workers.errors import LimitExceeded, MalformedModel

# Opcodes of one stream: a checkpoint of a hundred thousand tensors takes some ten million.
OPCODES = 50_000_000
_FACTORIES: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function by name; it is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Opaque:
    """What calling ``cls`` with ``args`` would have made, and the ``state`` that it would have been given."""

    cls: Any
    args: tuple[Any, ...]
    state: Any = None
    items: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Persistent:
    """A reference to something outside the stream."""

    id: Any


class Cursor:
    """A file-like look at a mapped file, for reading pickles that lie one behind the other."""

    def __init__(self, data: memoryview, at: int = 0) -> None:
        self.data = data
        self.at = at

    def read(self, size: int) -> bytes:
        found = bytes(self.data[self.at : self.at + max(0, size)])
        self.at += len(found)
        return found

    def readline(self) -> bytes:
        line = bytes(self.data[self.at : self.at + 65536])
        end = line.find(b"\n")
        line = line if end < 0 else line[: end + 1]
        self.at += len(line)
        return line

    def tell(self) -> int:
        return self.at


class _Mark:
    """Where the arguments of the next opcode begin."""


MARK = _Mark()


class Stream:
    """One pickle: ``load()`` gives its object; ``globals`` the names found, in their order."""

    def __init__(self, source: Cursor, file: str, build: Callable[[Any, tuple[Any, ...]], Any] | None = None) -> None:
        self.source = source
        self.file = file
        self.build = build or Opaque
        self.globals: dict[Global, None] = {}
        self.persistent_ids: list[Persistent] = []
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Raises MalformedModel for streams that Python's own reader would not accept either."""
        count = 0
        try:
            for opcode, argument, _ in pickletools.genops(cast(IO[bytes], self.source)):
                count += 1
                if count > OPCODES:
                    raise LimitExceeded("nodes", f"a pickle in {self.file!r} is endless", limit=OPCODES, file=self.file)
                if opcode.name == "STOP":
                    if isinstance(self.stack[-1], _Mark):
                        raise ValueError("it ends within an object")
                    return self.stack.pop()
                self._do(opcode.name, argument)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, UnicodeError, OverflowError) as error:
            raise self._broken(f"{type(error).__name__}: {error}") from error
        raise self._broken("it has no end")

    def _broken(self, why: str) -> MalformedModel:
        return MalformedModel(f"a pickle in {self.file!r} is damaged: {why[:200]}", file=self.file)

    def _do(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _FACTORIES:
            self.stack.append(_FACTORIES[name]())
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"the opcode {name} is not used in models")

    def _marked(self) -> list[Any]:
        """What was pushed since the last mark, which goes, too."""
        at = len(self.stack) - 1
        while self.stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise ValueError("a mark is missing")
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def _named(self, module: Any, name: Any) -> Global:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name is no text")
        found = Global(module, name)
        self.globals[found] = None
        return found

    # --- opcodes ------------------------------------------------------------------------------------------------------

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(self._named(module, name))

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self._named(module, name))

    def reduce(self, _: Any) -> None:
        args, cls = self.stack.pop(), self.stack.pop()
        if not isinstance(args, tuple):
            raise ValueError("arguments are no tuple")
        self.stack.append(self.build(cls, args))

    def newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self.reduce(None)

    def obj(self, _: Any) -> None:
        cls, *args = self._marked()
        self.stack.append(self.build(cls, tuple(args)))

    def inst(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        args = tuple(self._marked())
        self.stack.append(self.build(self._named(module, name), args))

    def set_state(self, _: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Opaque):
            self.stack[-1].state = state

    def persistent(self, _: Any) -> None:
        self.stack.append(Persistent(self.stack.pop()))
        self.persistent_ids.append(self.stack[-1])

    def persistent_text(self, argument: str) -> None:
        self.stack.append(Persistent(argument))

    def put(self, argument: int) -> None:
        self.memo[argument] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        self._extend([item])

    def appends(self, _: Any) -> None:
        self._extend(self._marked())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        (target.items if isinstance(target, Opaque) else target).extend(items)

    def setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def setitems(self, _: Any) -> None:
        self._update(self._marked())

    def _update(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Opaque):
            target.items.extend(zip(pairs[::2], pairs[1::2], strict=True))
        else:
            for key, value in zip(pairs[::2], pairs[1::2], strict=True):
                target[_hashable(key)] = value

    def tuple_(self, _: Any) -> None:
        self.stack.append(tuple(self._marked()))

    def tuple_of(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        if len(items) != count:
            raise ValueError("the stack is empty")
        del self.stack[-count:]
        self.stack.append(items)

    def list_(self, _: Any) -> None:
        self.stack.append(self._marked())

    def dict_(self, _: Any) -> None:
        self.stack.append({})
        pairs = self.stack.pop(-1)
        items = self._marked()
        self.stack.append(pairs)
        self._update(items)

    def mark(self, _: Any) -> None:
        self.stack.append(MARK)

    def pop(self, _: Any) -> None:
        self.stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._marked()

    def dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])


def _hashable(key: Any) -> Any:
    """Keys of models' dictionaries are texts and numbers; anything else goes by its identity."""
    return key if isinstance(key, str | int | float | bool | bytes | None | Global) else f"<{id(key)}>"


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8", "FLOAT", "BINFLOAT",
})  # fmt: skip
_ACTIONS: dict[str, Callable[[Stream, Any], None]] = {
    "GLOBAL": Stream.global_, "STACK_GLOBAL": Stream.stack_global, "REDUCE": Stream.reduce, "NEWOBJ": Stream.reduce,
    "NEWOBJ_EX": Stream.newobj_ex, "OBJ": Stream.obj, "INST": Stream.inst, "BUILD": Stream.set_state,
    "BINPERSID": Stream.persistent, "PERSID": Stream.persistent_text, "PUT": Stream.put, "BINPUT": Stream.put,
    "LONG_BINPUT": Stream.put, "MEMOIZE": Stream.memoize, "GET": Stream.get, "BINGET": Stream.get,
    "LONG_BINGET": Stream.get, "APPEND": Stream.append, "APPENDS": Stream.appends, "SETITEM": Stream.setitem,
    "SETITEMS": Stream.setitems, "ADDITEMS": Stream.appends, "TUPLE": Stream.tuple_, "LIST": Stream.list_,
    "DICT": Stream.dict_, "MARK": Stream.mark, "POP": Stream.pop, "POP_MARK": Stream.pop_mark, "DUP": Stream.dup,
    "TUPLE1": lambda stream, _: stream.tuple_of(1), "TUPLE2": lambda stream, _: stream.tuple_of(2),
    "TUPLE3": lambda stream, _: stream.tuple_of(3),
}  # fmt: skip

"""Torch7's serialised objects: bytes -> the records of ``objects``. Knows no network.

One object and nothing behind it. A tag says what follows; tables, objects and functions carry an index, under which
later occurrences refer to them. Nesting costs no stack: graphs of nngraph are as deep as they are long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from workers.errors import LimitExceeded, MalformedModel
from workers.formats.torch7.objects import Function, Object, Storage, Table, Tensor
from workers.formats.torch7.stream import Ascii, Binary, Stream, malformed

NIL, NUMBER, STRING, TABLE, TORCH, BOOLEAN, FUNCTION_UNINDEXED, FUNCTION_OLD, FUNCTION = 0, 1, 2, 3, 4, 5, 6, 7, 8
VALUES, AXES, NAME = 5_000_000, 64, 4096
# Classes that write more than their table of fields: how many objects follow the class name.
PARTS = {"nn.GPU": 2, "nn.DataParallelTable": 2}
PAIRS, ITEMS = "tds.Hash", "tds.Vec"

_KIND = re.compile(r"torch\.(Cuda)?(Byte|Char|Short|Int|Long|Float|Double|Half|)(Tensor|Storage)\Z")
_VERSION = re.compile(r"V (-?\d{1,9})\Z")
_CLASS = re.compile(r"[A-Za-z_][\w.\-:]*\Z")


@dataclass(frozen=True, slots=True)
class Parsed:
    """The root of a file; ``encoding`` in words, ``trailing`` the bytes that follow the object."""

    root: Any
    encoding: str
    trailing: int


def is_ascii(head: bytes) -> bool:
    """Whether a file that begins like this is of the ASCII encoding: a tag, a newline, an index."""
    return re.match(rb"[1-8]\n-?[\d.]", head) is not None


def is_t7(head: bytes) -> bool:
    """Whether a file can be a serialised object: the tag of one that is worth saving begins it, and an index of 1."""
    if is_ascii(head):
        return re.match(rb"[34]\n1\n\d+\n", head) is not None
    return len(head) >= 12 and head[:8] in (b"\3\0\0\0\1\0\0\0", b"\4\0\0\0\1\0\0\0")


def parse(data: memoryview, file: str) -> Parsed:
    """The object in a file, whose longs may have 8 bytes or, from 32-bit machines, 4.

    Raises MalformedModel where neither reading makes sense, LimitExceeded for absurdly many values.
    """
    if is_ascii(bytes(data[:32])):
        return _parsed(Ascii(data, file), "ascii")
    try:
        wide = _parsed(Binary(data, file), "binary")
    except MalformedModel as error:
        try:
            return _parsed(Binary(data, file, long=4), "binary, 32-bit longs")
        except MalformedModel:
            raise error from None
    if wide.trailing:
        try:
            narrow = _parsed(Binary(data, file, long=4), "binary, 32-bit longs")
        except MalformedModel:
            return wide
        return narrow if not narrow.trailing else wide
    return wide


def _parsed(stream: Stream, encoding: str) -> Parsed:
    root = _Parser(stream).object()
    return Parsed(root, encoding, stream.left)


@dataclass(slots=True)
class _Frame:
    """A record whose content is still to come: ``left`` more objects go into it."""

    owner: Any
    left: int
    key: Any = None
    has_key: bool = False


class _Parser:
    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.known: dict[int, Any] = {}
        self.frames: list[_Frame] = []
        self.values = 0

    def object(self) -> Any:
        """The next object with all that is in it."""
        root = self._next()
        while self.frames:
            frame = self.frames[-1]
            if frame.left == 0:
                self.frames.pop()
                continue
            frame.left -= 1
            self._put(frame, self._next())
        return root

    def _bad(self, reason: str) -> MalformedModel:
        return malformed(self.stream.file, self.stream.at, reason)

    def _put(self, frame: _Frame, value: Any) -> None:
        """One object into the record that waits for it."""
        owner = frame.owner
        if isinstance(owner, Object):
            owner.parts.append(value)
        elif isinstance(owner, Tensor):
            if value is not None and not isinstance(value, Storage):
                raise self._bad("a tensor has something else than a storage")
            owner.storage = value
        elif isinstance(owner, Table) and not frame.has_key:
            if value is None or value != value:
                raise self._bad("a table has a key that is nil or nan")
            frame.key, frame.has_key = value, True
        elif isinstance(owner, Table):
            owner.entries[frame.key] = value
            frame.has_key = False

    def _next(self) -> Any:
        """A scalar; or a record, known or new, whose content is read when its turn comes."""
        self.values += 1
        if self.values > VALUES:
            raise LimitExceeded(
                "members", f"{self.stream.file!r} holds more than {VALUES:,} values", limit=VALUES,
                file=self.stream.file, hint="Save the network alone, after clearState().",
            )  # fmt: skip
        tag = self.stream.integer("a type tag")
        if tag == NIL:
            return None
        if tag == NUMBER:
            number = self.stream.double("a number")
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
        if tag == STRING:
            return self.stream.text(self.stream.integer("the length of a string"), "a string")
        if tag == BOOLEAN:
            return self.stream.integer("a boolean") != 0
        if tag == FUNCTION_UNINDEXED:
            return self._function()
        if tag not in (TABLE, TORCH, FUNCTION_OLD, FUNCTION):
            raise self._bad(f"{tag} is no type tag")
        index = self.stream.integer("an object's index")
        if index not in self.known:
            if tag in (FUNCTION_OLD, FUNCTION):
                self.known[index] = self._function()
            else:
                self.known[index] = self._table() if tag == TABLE else self._torch(index)
        return self.known[index]

    def _function(self) -> Function:
        """Byte code is skipped; what the function refers to is read like everything else, for its indices count."""
        size = self.stream.integer("the size of a function")
        self.stream.skip(size, "a function")
        self.frames.append(_Frame(None, 1))
        return Function(size)

    def _table(self) -> Table:
        table = Table()
        self._expect(table, self.stream.integer("the size of a table"), 2)
        return table

    def _expect(self, owner: Any, count: int, each: int = 1) -> None:
        """``count`` entries of ``each`` objects, every one of which takes two bytes or more."""
        if count < 0 or count * each * 2 > self.stream.left:
            raise self._bad(f"a table promises {count} entries")
        self.frames.append(_Frame(owner, count * each))

    # --- objects of a class -------------------------------------------------------------------------------------------

    def _torch(self, index: int) -> Object | Tensor | Storage:
        """Before 2014 the class name stood where the version stands today."""
        word = self._word("a version")
        version = _VERSION.match(word)
        name = self._word("a class name") if version else word
        if not _CLASS.match(name):
            raise self._bad(f"{name[:40]!r} is no class name")
        kind = _KIND.match(name)
        if kind is not None:
            element = kind[2] or ("Float" if kind[1] else "")
            if element:
                return self._tensor(name) if kind[3] == "Tensor" else self._storage(name, element)
        number = int(version[1]) if version else 0
        found = Object(name, number)
        if name in (PAIRS, ITEMS):
            (count,) = self.stream.longs(1, "the size of a tds collection")
            self._collection(found, count, 2 if name == PAIRS else 1)
        else:
            parts = 1 if name == "nn.DataParallelTable" and number < 2 else PARTS.get(name, 1)
            self.frames.append(_Frame(found, parts))
        return found

    def _collection(self, owner: Object, count: int, each: int) -> None:
        if count < 0 or count * each * 2 > self.stream.left:
            raise self._bad(f"a collection promises {count} entries")
        self.frames.append(_Frame(owner, count * each))

    def _word(self, what: str) -> str:
        length = self.stream.integer(f"the length of {what}")
        if not 0 < length <= NAME:
            raise self._bad(f"{what} has {length} characters")
        return self.stream.text(length, what)

    def _tensor(self, name: str) -> Tensor:
        axes = self.stream.integer("the number of axes")
        if not 0 <= axes <= AXES:
            raise self._bad(f"a tensor has {axes} axes")
        shape = self.stream.longs(axes, "the sizes of a tensor")
        strides = self.stream.longs(axes, "the strides of a tensor")
        (offset,) = self.stream.longs(1, "the offset of a tensor")
        if any(size < 0 for size in shape):
            raise self._bad(f"a tensor has the shape {list(shape)}")
        tensor = Tensor(name, shape, strides, offset - 1)
        self.frames.append(_Frame(tensor, 1))
        return tensor

    def _storage(self, name: str, element: str) -> Storage:
        (count,) = self.stream.longs(1, "the size of a storage")
        if count < 0 or count > self.stream.left:
            raise self._bad(f"a storage promises {count} elements in {self.stream.left} bytes")
        dtype, load = self.stream.elements(element, count, "a storage")
        return Storage(name, count, dtype, load)

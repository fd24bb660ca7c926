"""Tables of protocol-buffer messages, written in the words of a ``.proto`` file and shared by wire and text format.

``Schema('message BlobShape { repeated int64 dim = 1 [packed = true]; }')["BlobShape"]`` is a ``MessageType``; calling
it makes a ``Message``: ``SHAPE(dim=[1, 3])``. Only what a format needs is transcribed; unknown fields are no error.

The dialect: ``message Name { ... }`` and ``enum Name { A = 0; }`` at any depth (names are global), labels ``optional``
(may be left out), ``required`` (read as optional) and ``repeated``, ``map<K, V>`` (repeated entries with ``key`` and
``value``), ``oneof`` (its members are plain fields), options ``default``, ``packed`` and ``ambiguous``. The last is
ours: forks gave that number to several messages, and ``Schema``'s ``resolve`` says which one a record means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FLOATS: dict[str, np.dtype[Any]] = {"float": np.dtype("<f4"), "double": np.dtype("<f8")}
FIXED: dict[str, np.dtype[Any]] = {
    **FLOATS, "fixed32": np.dtype("<u4"), "sfixed32": np.dtype("<i4"), "fixed64": np.dtype("<u8"),
    "sfixed64": np.dtype("<i8"),
}  # fmt: skip
RANGES = {
    "int32": (-(2**31), 2**31 - 1), "sint32": (-(2**31), 2**31 - 1), "sfixed32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1), "sint64": (-(2**63), 2**63 - 1), "sfixed64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1), "fixed32": (0, 2**32 - 1), "uint64": (0, 2**64 - 1), "fixed64": (0, 2**64 - 1),
}  # fmt: skip
SCALARS = {*FIXED, *RANGES, "bool", "string", "bytes"}
Array = npt.NDArray[Any]
Resolve = Callable[["Message", Sequence["Field"]], "Field | None"]


@dataclass(frozen=True, slots=True)
class Enum:
    name: str
    numbers: Mapping[str, int]
    names: Mapping[int, str]


@dataclass(slots=True)
class Field:
    """One field. ``kind`` is a scalar type's name, ``enum`` or ``message``; ``type`` the table of those two."""

    name: str
    number: int
    kind: str
    repeated: bool = False
    packed: bool = False
    ambiguous: bool = False
    default: Any = None
    type: Any = None


class MessageType:
    """The table of one message. ``by_number`` holds every candidate: more than one where forks collide."""

    __slots__ = ("by_name", "by_number", "name", "resolve")

    def __init__(self, name: str) -> None:
        self.name = name
        self.by_name: dict[str, Field] = {}
        self.by_number: dict[int, list[Field]] = {}
        self.resolve: Resolve | None = None

    def add(self, entry: Field) -> None:
        if entry.name in self.by_name:
            raise ValueError(f"{self.name}.{entry.name} is there twice")
        self.by_name[entry.name] = entry
        self.by_number.setdefault(entry.number, []).append(entry)

    def __call__(self, **values: Any) -> Message:
        """A message of this type; nested ones may be given as dictionaries."""
        message = Message(self)
        for name, value in values.items():
            setattr(message, name, value)
        return message

    def __repr__(self) -> str:
        return f"<message {self.name}>"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A field that the table does not have, as it stood in the file (wire) or by name only (text)."""

    number: int
    wire: int
    data: Any = field(compare=False)


class Message:
    """One record: ``m.name`` or ``m["name"]`` reads a field or its default, assigning sets it, ``has`` tells.

    Repeated floats and doubles are numpy arrays (views on the file where the file packs them), every other repeated
    field a list; enums are their names (an unknown number stays an int); an unset message reads as an empty one.
    """

    __slots__ = ("_type", "_unknown", "_values")

    def __init__(self, type: MessageType) -> None:
        object.__setattr__(self, "_type", type)
        object.__setattr__(self, "_values", {})
        object.__setattr__(self, "_unknown", [])

    @property
    def message_type(self) -> MessageType:
        kind: MessageType = object.__getattribute__(self, "_type")
        return kind

    @property
    def unknown_fields(self) -> list[Unknown]:
        unknown: list[Unknown] = object.__getattribute__(self, "_unknown")
        return unknown

    def __getitem__(self, name: str) -> Any:
        found = self._values.get(name)
        if found is not None:
            return found
        entry: Field = self._type.by_name[name]
        if entry.repeated:
            if entry.kind in FLOATS:
                return np.empty(0, FLOATS[entry.kind])
            return self._values.setdefault(name, [])
        if entry.kind == "message":
            return Message(entry.type)
        return entry.default

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{self._type.name} has no field {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        entry = self._type.by_name.get(name)
        if entry is None:
            raise AttributeError(f"{self._type.name} has no field {name!r}")
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = _coerce(entry, value)

    __setitem__ = __setattr__

    def __delattr__(self, name: str) -> None:
        self._values.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether the field was set; a repeated one, whether it has elements."""
        value = self._values.get(name)
        return value is not None and (not self._type.by_name[name].repeated or len(value) > 0)

    def fields(self) -> Iterator[tuple[Field, Any]]:
        """The set fields in the order of their numbers."""
        table = self._type.by_name
        for name in sorted(self._values, key=lambda key: (table[key].number, key)):
            if self.has(name):
                yield table[name], self._values[name]

    def merge(self, other: Message) -> None:
        """What a parser does with a singular message met twice: fields of ``other`` win, repeated ones append."""
        for entry, value in other.fields():
            mine = self._values.get(entry.name)
            if mine is None or not (entry.repeated or entry.kind == "message"):
                self._values[entry.name] = value
            elif entry.repeated:
                self._values[entry.name] = np.concatenate([mine, value]) if entry.kind in FLOATS else [*mine, *value]
            else:
                mine.merge(value)
        self._unknown.extend(other.unknown_fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message) or other.message_type is not self._type:
            return NotImplemented
        mine, theirs = list(self.fields()), list(other.fields())
        return [entry.name for entry, _ in mine] == [entry.name for entry, _ in theirs] and all(
            np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
            for (_, a), (_, b) in zip(mine, theirs, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self._type.name}({', '.join(f'{entry.name}={value!r}' for entry, value in self.fields())})"


def _coerce(entry: Field, value: Any) -> Any:
    if entry.repeated and entry.kind in FLOATS:
        array = value if isinstance(value, np.ndarray) else np.asarray(value, FLOATS[entry.kind])
        return array.reshape(-1) if array.flags.c_contiguous else array
    if entry.kind != "message":
        return list(value) if entry.repeated else value
    if entry.repeated:
        return [_nested(entry, item) for item in value]
    return _nested(entry, value)


def _nested(entry: Field, value: Message | Mapping[str, Any]) -> Message:
    kind: MessageType = entry.type
    if isinstance(value, Message):
        if value.message_type is not kind:
            raise TypeError(f"{entry.name} takes {kind.name}, not {value.message_type.name}")
        return value
    return kind(**value)


_TOKEN = re.compile(r'//[^\n]*|\s+|("(?:[^"\\]|\\.)*"|[A-Za-z_][\w.]*|-?[\d.][\w.+-]*|[{}\[\]<>=;,])')


class Schema(Mapping[str, MessageType]):
    """All messages of one table; ``resolve`` chooses, by message name, among the fields that share a number."""

    def __init__(self, text: str, resolve: Mapping[str, Resolve] | None = None) -> None:
        self.enums: dict[str, Enum] = {}
        self.messages: dict[str, MessageType] = {}
        self._pending: list[tuple[Field, str]] = []
        self._tokens: list[str] = [token for token in _TOKEN.findall(text) if token]
        self._at = 0
        while self._at < len(self._tokens):
            self._definition()
        for entry, name in self._pending:
            self._link(entry, name)
        for name, rule in (resolve or {}).items():
            self.messages[name].resolve = rule

    def __getitem__(self, name: str) -> MessageType:
        return self.messages[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.messages)

    def __len__(self) -> int:
        return len(self.messages)

    def _next(self, expected: str | None = None) -> str:
        token = self._tokens[self._at]
        if expected is not None and token != expected:
            raise ValueError(f"schema: {expected!r} expected, {token!r} found")
        self._at += 1
        return token

    def _peek(self, offset: int = 0) -> str:
        return self._tokens[self._at + offset]

    def _definition(self) -> None:
        word, name = self._next(), self._next()
        self._next("{")
        if word == "enum":
            self._enum(name)
        elif word == "message":
            self._message(self.messages.setdefault(name, MessageType(name)))
        else:
            raise ValueError(f"schema: message or enum expected, {word!r} found")

    def _enum(self, name: str) -> None:
        numbers: dict[str, int] = {}
        while self._peek() != "}":
            key = self._next()
            self._next("=")
            numbers[key] = int(self._next())
            self._next(";")
        self._next("}")
        names: dict[int, str] = {}
        for key, number in numbers.items():
            names.setdefault(number, key)
        self.enums[name] = Enum(name, numbers, names)

    def _message(self, kind: MessageType) -> None:
        while self._peek() != "}":
            if self._peek() in ("message", "enum") and self._peek(2) == "{":
                self._definition()
            elif self._peek() == "oneof":
                self._at += 3
                while self._peek() != "}":
                    self._field(kind)
                self._next("}")
            else:
                self._field(kind)
        self._next("}")

    def _field(self, kind: MessageType) -> None:
        label = self._next() if self._peek() in ("optional", "required", "repeated") else ""
        type_name = self._next()
        if type_name == "map":
            type_name, label = self._map_entry(kind), "repeated"
        name = self._next()
        self._next("=")
        entry = Field(name, int(self._next()), type_name, repeated=label == "repeated")
        options = self._options()
        entry.packed = options.get("packed") == "true"
        entry.ambiguous = options.get("ambiguous") == "true"
        entry.default = options.get("default")
        self._next(";")
        self._pending.append((entry, type_name))
        kind.add(entry)

    def _map_entry(self, kind: MessageType) -> str:
        self._next("<")
        key = self._next()
        self._next(",")
        value = self._next()
        self._next(">")
        name = f"{kind.name}.{key}.{value}"
        if name not in self.messages:
            entry = self.messages[name] = MessageType(name)
            for number, (label, type_name) in enumerate((("key", key), ("value", value)), 1):
                member = Field(label, number, type_name)
                self._pending.append((member, type_name))
                entry.add(member)
        return name

    def _options(self) -> dict[str, str]:
        options: dict[str, str] = {}
        while self._peek() in ("[", ","):
            self._at += 1
            key = self._next()
            self._next("=")
            options[key] = self._next()
        if self._peek() == "]":
            self._at += 1
        return options

    def _link(self, entry: Field, name: str) -> None:
        """Turn the type's name into its table and the default's text into a value."""
        if name in SCALARS:
            entry.default = _default(name, entry.default)
        elif name in self.enums:
            entry.kind, entry.type = "enum", self.enums[name]
            entry.default = entry.default or next(iter(self.enums[name].numbers))
        elif name in self.messages:
            entry.kind, entry.type = "message", self.messages[name]
        else:
            raise ValueError(f"schema: no type {name!r} for {entry.name!r}")


def rounded(kind: str, number: float) -> float:
    """A number as the field holds it: 0.6 in a ``float`` field is 0.6000000238418579, beyond its range infinite."""
    with np.errstate(over="ignore"):
        return float(np.float64(number).astype(FLOATS[kind]))


def _default(kind: str, text: str | None) -> Any:
    if kind in FLOATS:
        return rounded(kind, float(text or 0))
    if kind == "bool":
        return text == "true"
    if kind == "string":
        return (text or '""')[1:-1]
    return b"" if kind == "bytes" else int(text or 0)

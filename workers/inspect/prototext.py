"""The protocol-buffer text format, parsed into and printed from the same ``Message`` as the wire format.

Accepts what protobuf's own parser accepts, and more where real files need it: unknown fields and unknown enum names
become warnings (forks add both), a singular field given twice is merged or overwritten (the last one wins).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.errors import LimitExceeded, MalformedModel
from workers.inspect.schema import FLOATS, RANGES, Enum, Field, Message, MessageType, rounded


@dataclass(frozen=True, slots=True)
class TextLimits:
    """Bounds on one text: bytes, nesting, and fields in all."""

    size: int = 64 << 20
    depth: int = 64
    fields: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Parsed:
    message: Message
    warnings: tuple[str, ...]


_LEXEMES = re.compile(
    r"""(?P<space>(?:\s+|\#[^\n]*)+)
    |(?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fF]?(?![\w.]))
    |(?P<name>[A-Za-z_]\w*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<mark>[{}<>\[\]:;,.\-/])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_ESCAPES = {
    b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v", b"\\": b"\\",
    b"'": b"'", b'"': b'"', b"?": b"?",
}  # fmt: skip
_TRUTH = {**dict.fromkeys(("true", "True", "t", "1"), True), **dict.fromkeys(("false", "False", "f", "0"), False)}
_CLOSING = {"{": "}", "<": ">"}
_WARNINGS = 100


def parse(
    text: str | bytes | memoryview,
    type: MessageType,
    *,
    file: str | None = None,
    limits: TextLimits = TextLimits(),
) -> Parsed:
    """The text as a message of ``type``, with warnings about what the table does not know.

    Raises MalformedModel naming file, line and column; LimitExceeded for size, depth or count over ``limits``.
    """
    if len(text) > limits.size:
        raise LimitExceeded(
            "size", f"{file or 'the text'!r} is a text of {len(text):,} bytes; at most {limits.size:,} are parsed",
            limit=limits.size, file=file,
        )  # fmt: skip
    parser = _Parser(text if isinstance(text, str) else decode_text(text, file), file, limits)
    message = Message(type)
    parser.fields(message, "", 0)
    return Parsed(message, tuple(parser.warnings))


def decode_text(raw: bytes | memoryview, file: str | None = None) -> str:
    """Bytes as text: UTF-8 with or without its mark; other bytes (comments in old encodings) as escapes."""
    data = bytes(raw)
    if b"\0" in data:
        raise MalformedModel(f"{file or 'the text'!r} is not a text file", file=file)
    return data.decode("utf-8-sig", "backslashreplace")


class _Parser:
    def __init__(self, text: str, file: str | None, limits: TextLimits) -> None:
        self.text = text
        self.file = file
        self.limits = limits
        self.left = limits.fields
        self.warnings: list[str] = []
        self.lexemes = self._scan()
        self.kind = self.token = ""
        self.start = 0
        self.advance()

    # --- tokens -----------------------------------------------------------------------------------------------------

    def _scan(self) -> Iterator[tuple[str, str, int]]:
        text, position = self.text, 0
        while position < len(text):
            found = _LEXEMES.match(text, position)
            if found is None:
                self.start = position
                raise self.broken(f"has an unexpected {text[position]!r}")
            if found.lastgroup != "space":
                yield found.lastgroup or "", found.group(), position
            position = found.end()
        yield "end", "", position

    def advance(self) -> str:
        """Step over the current token, which is returned."""
        token = self.token
        self.kind, self.token, self.start = next(self.lexemes)
        return token

    def skip(self, token: str) -> bool:
        if self.kind == "mark" and self.token == token:
            self.advance()
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.skip(token):
            raise self.broken(f"has {self.shown()} where {token!r} belongs")

    def shown(self) -> str:
        return "its end" if self.kind == "end" else repr(self.token[:40])

    def place(self) -> str:
        line = self.text.count("\n", 0, self.start) + 1
        return f"line {line}, column {self.start - self.text.rfind(chr(10), 0, self.start)}"

    def broken(self, what: str) -> MalformedModel:
        return MalformedModel(f"{self.file or 'the text'!r} {what} ({self.place()})", file=self.file)

    def warn(self, what: str) -> None:
        if len(self.warnings) < _WARNINGS:
            self.warnings.append(f"{what} ({self.place()})")

    def enter(self, depth: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise LimitExceeded(
                "members", f"{self.file or 'the text'!r} has more than {self.limits.fields:,} fields",
                limit=self.limits.fields, file=self.file,
            )  # fmt: skip
        if depth > self.limits.depth:
            raise LimitExceeded(
                "depth", f"{self.file or 'the text'!r} nests deeper than {self.limits.depth} ({self.place()})",
                limit=self.limits.depth, file=self.file,
            )  # fmt: skip

    # --- messages -----------------------------------------------------------------------------------------------------

    def fields(self, message: Message, closing: str, depth: int) -> None:
        """All fields up to ``closing`` (the end of the text for the outermost message)."""
        while True:
            self.enter(depth)
            if self.kind == "end":
                if closing:
                    raise self.broken(f"ends inside a {message.message_type.name}")
                return
            if closing and self.skip(closing):
                return
            self.one_field(message, depth)
            if not self.skip(","):
                self.skip(";")

    def one_field(self, message: Message, depth: int) -> None:
        if self.kind != "name":
            raise self.broken(f"has {self.shown()} where the name of a field of {message.message_type.name} belongs")
        entry = message.message_type.by_name.get(self.token)
        if entry is None:
            self.warn(f"{message.message_type.name} has no field {self.token!r}: left out")
            self.advance()
            self.skip_value(depth)
            return
        self.advance()
        if entry.kind == "message":
            self.skip(":")
            for item in self.items(lambda: self.nested(entry, depth)):
                self.store(message, entry, item)
            return
        self.expect(":")
        values = list(self.items(lambda: self.value(entry)))
        if entry.repeated:
            fresh = np.asarray(values, FLOATS[entry.kind]) if entry.kind in FLOATS else values
            self.store(message, entry, fresh)
        elif len(values) == 1:
            message[entry.name] = values[0]
        else:
            raise self.broken(f"gives a list to {entry.name}, which is not repeated")

    def store(self, message: Message, entry: Field, value: Any) -> None:
        values = message._values
        before = values.get(entry.name)
        if entry.kind == "message" and entry.repeated:
            values.setdefault(entry.name, []).append(value)
        elif before is None:
            values[entry.name] = value
        elif entry.kind == "message":
            before.merge(value)
        elif isinstance(value, np.ndarray):
            values[entry.name] = np.concatenate([before, value])
        else:
            before.extend(value)

    def items(self, read: Callable[[], Any]) -> Iterator[Any]:
        """One value, or those of a list in brackets."""
        if not self.skip("["):
            yield read()
            return
        while not self.skip("]"):
            self.enter(0)
            yield read()
            if not self.skip(","):
                self.expect("]")
                return

    def nested(self, entry: Field, depth: int) -> Message:
        opening = self.token
        if self.kind != "mark" or opening not in _CLOSING:
            raise self.broken(f"has {self.shown()} where the message {entry.name} belongs")
        self.advance()
        inner = Message(entry.type)
        self.fields(inner, _CLOSING[opening], depth + 1)
        return inner

    def skip_value(self, depth: int) -> None:
        """Step over the value of an unknown field, whatever it is."""
        self.skip(":")
        if self.kind == "mark" and self.token in _CLOSING:
            closing = _CLOSING[self.advance()]
            while not self.skip(closing):
                self.enter(depth + 1)
                if self.kind != "name":
                    raise self.broken(f"has {self.shown()} where the name of a field belongs")
                self.advance()
                self.skip_value(depth + 1)
                if not self.skip(","):
                    self.skip(";")
            return
        if self.skip("["):
            while not self.skip("]"):
                self.enter(depth + 1)
                self.skip_value(depth + 1)
                self.skip(",")
            return
        self.skip("-")
        if self.kind == "string":
            self.string()
        elif self.kind in ("name", "number"):
            self.advance()
        else:
            raise self.broken(f"has {self.shown()} where a value belongs")

    # --- scalars ------------------------------------------------------------------------------------------------------

    def value(self, entry: Field) -> Any:
        if entry.kind in ("string", "bytes"):
            raw = self.string()
            return raw if entry.kind == "bytes" else raw.decode("utf-8", "backslashreplace")
        negative = self.skip("-")
        if self.kind not in ("name", "number"):
            raise self.broken(f"has {self.shown()} where a value of {entry.name} belongs")
        if entry.kind in FLOATS:
            number = rounded(entry.kind, self.float(entry))
            return -number if negative else number
        if entry.kind == "bool":
            if negative or self.token not in _TRUTH:
                raise self.broken(f"has {self.shown()} where {entry.name} takes true or false")
            return _TRUTH[self.advance()]
        if entry.kind == "enum" and self.kind == "name" and not negative:
            return self.enum(entry.type)
        number = -self.integer(entry) if negative else self.integer(entry)
        if entry.kind == "enum":
            return entry.type.names.get(number, number)
        low, high = RANGES[entry.kind]
        if not low <= number <= high:
            raise self.broken(f"gives {entry.name} the number {number}, outside {low}..{high}")
        return number

    def string(self) -> bytes:
        """A string literal, adjacent ones joined, escapes resolved."""
        if self.kind != "string":
            raise self.broken(f"has {self.shown()} where a string belongs")
        parts = []
        while self.kind == "string":
            parts.append(_ESCAPE.sub(self.escape, self.token[1:-1].encode("utf-8", "backslashreplace")))
            self.advance()
        return b"".join(parts)

    def escape(self, found: re.Match[bytes]) -> bytes:
        octal, hexadecimal, short, long, letter = found.groups()
        if letter is not None:
            if letter not in _ESCAPES:
                raise self.broken(f"has the unknown escape \\{letter.decode('utf-8', 'replace')}")
            return _ESCAPES[letter]
        if short or long:
            code = int(short or long, 16)
            if code > 0x10FFFF:
                raise self.broken(f"has the impossible character U+{code:X}")
            return chr(code).encode("utf-8", "backslashreplace")
        return bytes([(int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF])

    def float(self, entry: Field) -> float:
        text = self.token.lower()
        if text in ("inf", "infinity", "inff", "nan", "nanf"):
            self.advance()
            return float("nan" if text.startswith("nan") else "inf")
        if self.kind != "number":
            raise self.broken(f"has {self.shown()} where {entry.name} takes a number")
        self.advance()
        if text.startswith("0x"):
            return float(int(text, 16))
        return float(text.rstrip("f"))

    def integer(self, entry: Field) -> int:
        text = self.token.lower()
        base = 16 if text.startswith("0x") else 8 if len(text) > 1 and text.startswith("0") else 10
        if len(text) > 30:
            raise self.broken(f"has a number of {len(text)} digits where {entry.name} takes an integer")
        try:
            number = int(text, base)
        except ValueError:
            raise self.broken(f"has {self.shown()} where {entry.name} takes an integer") from None
        self.advance()
        return number

    def enum(self, table: Enum) -> str:
        if self.token not in table.numbers:
            self.warn(f"{table.name} has no value {self.token!r}")
        return self.advance()


# --- the way back ---------------------------------------------------------------------------------------------------


def print_text(message: Message, *, indent: str = "") -> str:
    """The message as text, fields in the order of their numbers, one a line, floats as short as float32 allows."""
    return "".join(f"{line}\n" for line in _lines(message, indent))


def _lines(message: Message, indent: str) -> Iterator[str]:
    for entry, value in message.fields():
        for item in value if entry.repeated else (value,):
            if entry.kind == "message":
                yield f"{indent}{entry.name} {{"
                yield from _lines(item, indent + "  ")
                yield f"{indent}}}"
            else:
                yield f"{indent}{entry.name}: {_shown(entry, item)}"


def _shown(entry: Field, value: Any) -> str:
    if entry.kind == "bool":
        return "true" if value else "false"
    if entry.kind == "string":
        return quote(str(value).encode())
    if entry.kind == "bytes":
        return quote(bytes(value))
    if entry.kind in FLOATS:
        return str(FLOATS[entry.kind].type(value))
    return str(value) if entry.kind == "enum" else str(int(value))


def quote(raw: bytes) -> str:
    """A double-quoted literal in ASCII."""
    named = {10: "\\n", 9: "\\t", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return '"' + "".join(named.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in raw) + '"'

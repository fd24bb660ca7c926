"""The protocol-buffer wire format, read with bounds and without copying, and written by streaming.

``decode`` walks a buffer by a ``MessageType``: packed floats become numpy views on the buffer, bytes become
memoryviews, so that a mapped file of any size costs only its small fields. Every length is checked against what is
left before it is used; depth and the number of fields are capped. ``protobuf_write`` is the way back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.errors import LimitExceeded, MalformedModel
from workers.inspect.pages import let_go
from workers.inspect.protobuf_write import varint
from workers.inspect.schema import FIXED, FLOATS, Array, Field, Message, MessageType, Unknown

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = 0, 1, 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one decoded buffer: nesting, and fields in all (a packed list of floats counts as one field)."""

    depth: int = 64
    fields: int = 4_000_000


LIMITS = Limits()
# Elements of a run that are looked at in one step: the first, and the most.
WINDOW, WINDOWS = 64, 1 << 20


def decode(data: bytes | memoryview, type: MessageType, *, file: str | None = None, limits: Limits = LIMITS) -> Message:
    """One message of ``type`` from the whole of ``data``.

    Raises MalformedModel (naming file, field path and byte) for bytes that are no such message or end too early,
    LimitExceeded for nesting or counts over ``limits``. Fields whose wire type does not fit are kept as unknown.
    """
    view = memoryview(data).cast("B") if memoryview(data).format != "B" else memoryview(data)
    return _Decoder(view, file, limits).message(type, 0, len(view), 0)


def scan(data: bytes | memoryview) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of the top-level fields, for sniffing: stops in silence where the bytes end or lie.

    A length-delimited value that runs over the end of ``data`` is yielded as far as it goes, and ends the walk.
    """
    view = memoryview(data)
    decoder = _Decoder(view, None, LIMITS)
    position = 0
    while position < len(view):
        try:
            tag, position = decoder.varint(position, len(view))
            number, wire = tag >> 3, tag & 7
            if number == 0 or wire in (START_GROUP, END_GROUP, 6, 7):
                return
            if wire == LENGTH:
                size, position = decoder.varint(position, len(view))
                yield number, wire, view[position : position + size]
                position += size
                continue
            value, position = decoder.scalar(wire, position, len(view))
        except MalformedModel:
            return
        yield number, wire, value


class _Decoder:
    def __init__(self, view: memoryview, file: str | None, limits: Limits) -> None:
        self.view = view
        self.file = file
        self.limits = limits
        self.left = limits.fields
        self.path: list[str] = []
        self.pieces: list[dict[str, list[Array]]] = []  # of every open message: its runs of numbers, joined at its end

    # --- errors -----------------------------------------------------------------------------------------------------

    def broken(self, what: str, at: int) -> MalformedModel:
        where = ".".join(self.path)
        name = f"{self.file!r}" if self.file else "the protocol buffer"
        return MalformedModel(
            f"{name} {what} at byte {at:,}" + (f" (in {where})" if where else ""),
            file=self.file, offset=at, field=where or None,
        )  # fmt: skip

    def count(self, number: int) -> None:
        self.left -= number
        if self.left < 0:
            raise LimitExceeded(
                "members", f"more than {self.limits.fields:,} fields in one file",
                limit=self.limits.fields, file=self.file,
            )  # fmt: skip

    # --- pieces of the wire -------------------------------------------------------------------------------------------

    def varint(self, at: int, end: int) -> tuple[int, int]:
        view = self.view
        if at < end and view[at] < 0x80:  # most of them
            return view[at], at + 1
        result = shift = 0
        position = at
        while position < end:
            byte = view[position]
            position += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result & 0xFFFFFFFFFFFFFFFF, position
            shift += 7
            if shift > 63:
                raise self.broken("has a number of more than ten bytes", at)
        raise self.broken("ends in the middle of a number", at)

    def extent(self, at: int, end: int) -> tuple[int, int]:
        """Start and end of a length-delimited value."""
        size, start = self.varint(at, end)
        if size > end - start:
            raise self.broken(
                f"is truncated or damaged: {size:,} bytes are announced and {end - start:,} are left", start
            )
        return start, start + size

    def scalar(self, wire: int, at: int, end: int) -> tuple[int, int]:
        """A varint or the raw unsigned value of a fixed field."""
        if wire == VARINT:
            return self.varint(at, end)
        size = 8 if wire == FIXED64 else 4
        if size > end - at:
            raise self.broken(f"ends in the middle of a {size}-byte number", at)
        return int.from_bytes(self.view[at : at + size], "little"), at + size

    def skip_group(self, number: int, at: int, end: int) -> int:
        """The position behind a group (long deprecated, never read): groups may nest, so a stack is kept."""
        stack = [number]
        position = at
        while stack:
            self.count(1)
            tag, position = self.varint(position, end)
            wire = tag & 7
            if wire == START_GROUP:
                stack.append(tag >> 3)
                if len(stack) > self.limits.depth:
                    raise self.broken(f"nests groups deeper than {self.limits.depth}", at)
            elif wire == END_GROUP:
                if stack.pop() != tag >> 3:
                    raise self.broken("closes a group that was not opened", position)
            elif wire == LENGTH:
                _, position = self.extent(position, end)
            elif wire in (VARINT, FIXED32, FIXED64):
                _, position = self.scalar(wire, position, end)
            else:
                raise self.broken(f"has a field of the unknown wire type {wire}", position)
        return position

    # --- messages -------------------------------------------------------------------------------------------------

    def message(self, kind: MessageType, at: int, end: int, depth: int) -> Message:
        if depth > self.limits.depth:
            raise LimitExceeded(
                "depth", f"messages are nested deeper than {self.limits.depth}", limit=self.limits.depth, file=self.file
            )
        message = Message(kind)
        self.pieces.append({})
        deferred: list[tuple[int, int, int, int]] = []
        position = at
        while position < end:
            self.count(1)
            start = position
            tag, position = self.varint(position, end)
            number, wire = tag >> 3, tag & 7
            if number == 0:
                raise self.broken("has a field numbered 0: this is no such message", start)
            candidates = kind.by_number.get(number)
            if candidates and not candidates[0].ambiguous and len(candidates) == 1 and _fits(candidates[0], wire):
                position = self.field(message, candidates[0], wire, position, end, depth)
                continue
            start = position
            position = self.skip(message, number, wire, position, end)
            if candidates:
                deferred.append((number, wire, start, position))
        for number, wire, start, stop in deferred:
            self.choose(message, number, wire, start, stop, depth)
        for name, pieces in self.pieces.pop().items():
            message._values[name] = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return message

    def skip(self, message: Message, number: int, wire: int, at: int, end: int) -> int:
        """Keep a field that is not in the table (or not yet) as unknown; its bytes stay where they are."""
        if wire == LENGTH:
            start, stop = self.extent(at, end)
            message.unknown_fields.append(Unknown(number, wire, self.view[start:stop]))
            return stop
        if wire == START_GROUP:
            stop = self.skip_group(number, at, end)
            message.unknown_fields.append(Unknown(number, wire, self.view[at:stop]))
            return stop
        if wire not in (VARINT, FIXED32, FIXED64):
            raise self.broken(f"has a field of the unknown wire type {wire}: this is no such message", at)
        value, stop = self.scalar(wire, at, end)
        message.unknown_fields.append(Unknown(number, wire, value))
        return stop

    def choose(self, message: Message, number: int, wire: int, at: int, end: int, depth: int) -> None:
        """Forks gave ``number`` to several messages: ask the schema which one this record means, if any."""
        kind = message.message_type
        candidates = kind.by_number[number]
        found = kind.resolve(message, candidates) if kind.resolve else None
        if found is None or not _fits(found, wire):
            return
        self.field(message, found, wire, at, end, depth)
        for index, unknown in enumerate(message.unknown_fields):
            if unknown.number == number and unknown.wire == wire:
                del message.unknown_fields[index]
                return

    def field(self, message: Message, entry: Field, wire: int, at: int, end: int, depth: int) -> int:
        self.path.append(entry.name)
        values = message._values
        if entry.kind == "message":
            start, stop = self.extent(at, end)
            value = self.message(entry.type, start, stop, depth + 1)
            if entry.repeated:
                values.setdefault(entry.name, []).append(value)
            elif entry.name in values:
                values[entry.name].merge(value)
            else:
                values[entry.name] = value
        elif entry.kind in ("string", "bytes"):
            start, stop = self.extent(at, end)
            raw = self.view[start:stop]
            text = raw if entry.kind == "bytes" else str(raw, "utf-8", "backslashreplace")
            if entry.repeated:
                values.setdefault(entry.name, []).append(text)
            else:
                values[entry.name] = text
        elif not entry.repeated:
            number, stop = self.scalar(wire, at, end)
            values[entry.name] = _value(entry, number)
        else:
            stop = self.numbers(values, entry, wire, at, end)
        self.path.pop()
        return stop

    def numbers(self, values: dict[str, Any], entry: Field, wire: int, at: int, end: int) -> int:
        """Elements of a repeated number, packed or one by one."""
        fixed = FIXED.get(entry.kind)
        if wire == LENGTH:
            start, stop = self.extent(at, end)
            if fixed is None:
                fresh: Any = self.packed_varints(entry, start, stop)
            elif (stop - start) % fixed.itemsize:
                raise self.broken(f"has {stop - start:,} bytes where {entry.kind} numbers are packed", start)
            else:
                fresh = np.frombuffer(self.view[start:stop], fixed)
        elif fixed is None:
            number, stop = self.scalar(wire, at, end)
            fresh = [_value(entry, number)]
        else:
            fresh, stop = self.run(entry, wire, at, end)
        if entry.kind not in FLOATS:
            fresh = list(fresh) if fixed is None else fresh.tolist()
            self.count(len(fresh))
            values.setdefault(entry.name, []).extend(fresh)
        else:
            self.pieces[-1].setdefault(entry.name, []).append(fresh)
        return stop

    def run(self, entry: Field, wire: int, at: int, end: int) -> tuple[Array, int]:
        """Unpacked fixed-size elements (old writers): the run of equal tags is one strided view on the buffer."""
        dtype = FIXED[entry.kind]
        self.scalar(wire, at, end)
        tag = varint(entry.number << 3 | wire)
        record = dtype.itemsize + len(tag)
        possible = (end - at + len(tag)) // record
        count, window = 1, WINDOW  # which grows, so that many short runs cost no more than one long one
        while count < possible:
            first, some = at + count * record - len(tag), min(window, possible - count)
            tags = np.ndarray((some, len(tag)), "u1", self.view, first, (record, 1))
            same = (tags == tuple(tag)).all(axis=1)
            let_go(tags)
            if not same.all():
                count += int(same.argmin())
                break
            count, window = count + some, min(4 * window, WINDOWS)
        return np.ndarray((count,), dtype, self.view, at, (record,)), at + count * record - len(tag)

    def packed_varints(self, entry: Field, at: int, end: int) -> list[Any]:
        raw = np.frombuffer(self.view[at:end], np.uint8)
        self.count(len(raw) - int(np.count_nonzero(raw & 0x80)))
        result = []
        position = at
        while position < end:
            number, position = self.varint(position, end)
            result.append(_value(entry, number))
        return result


def _fits(entry: Field, wire: int) -> bool:
    """Whether a field of this kind may stand on the wire like this."""
    if entry.kind in ("message", "string", "bytes"):
        return wire == LENGTH
    if wire == LENGTH:
        return entry.repeated
    dtype = FIXED.get(entry.kind)
    return wire == (VARINT if dtype is None else FIXED64 if dtype.itemsize == 8 else FIXED32)


def _value(entry: Field, number: int) -> Any:
    """A varint, or the raw bits of a fixed field, as the field's kind says."""
    kind = entry.kind
    if kind in FIXED:
        dtype = FIXED[kind]
        value = np.frombuffer(number.to_bytes(dtype.itemsize, "little"), dtype)[0]
        return value.item()
    if kind == "bool":
        return number != 0
    if kind == "enum":
        signed = _signed(number, 32)
        return entry.type.names.get(signed, signed)
    if kind in ("sint32", "sint64"):
        return (number >> 1) ^ -(number & 1)
    if kind in ("uint32", "uint64"):
        return number & (0xFFFFFFFF if kind == "uint32" else 0xFFFFFFFFFFFFFFFF)
    return _signed(number, 32 if kind == "int32" else 64)


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number

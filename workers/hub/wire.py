"""ONNX's wire format, just enough of it to take the weights out of a serialised model and to put weights in.

``cut`` turns a mapped file into a *skeleton*, the same ModelProto whose large tensors are stubs of a hundred bytes,
and a list of views on the mapping; ``splice`` goes the other way. Neither ever holds the weights in memory. A stub is
an external tensor whose location is a token that was drawn for this one model, so that no file can forge one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import onnx

from workers.errors import LimitExceeded, MalformedModel

LARGE = 1024
"""Tensors with at least this many bytes are cut out; smaller ones stay, since shape inference reads their values."""

DEPTH = 96
"""Nesting of messages; protobuf itself gives up at 100."""

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

# Message -> field number -> the message in it, along the ways that lead to tensors (onnx.proto).
CHILDREN: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Function": {7: "Node", 11: "Attribute"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
}

DATA_TYPE, FLOAT_DATA, RAW_DATA, DOUBLE_DATA, EXTERNAL_DATA, DATA_LOCATION = 2, 4, 9, 10, 13, 14
# Packed float_data and double_data have the layout of raw_data for these two element types.
PACKED_AS_RAW = {FLOAT_DATA: onnx.TensorProto.FLOAT, DOUBLE_DATA: onnx.TensorProto.DOUBLE}

Piece = bytes | memoryview


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Reader:
    """Walks the fields of messages in one buffer; every length is checked before it is used."""

    def __init__(self, view: memoryview, file: str) -> None:
        self.view = view
        self.file = file

    def broken(self, what: str, at: int) -> MalformedModel:
        return MalformedModel(f"{self.file!r} {what} at byte {at:,}", file=self.file, offset=at)

    def varint(self, at: int, end: int) -> tuple[int, int]:
        result = shift = 0
        position = at
        while position < end:
            byte = self.view[position]
            position += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result & 0xFFFFFFFFFFFFFFFF, position
            shift += 7
            if shift > 63:
                raise self.broken("has a number of more than ten bytes", at)
        raise self.broken("ends in the middle of a number", at)

    def field(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Number, wire type, and the extent of the value of the field at ``at``."""
        tag, position = self.varint(at, end)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise self.broken("is no ONNX model: it has a field numbered 0", at)
        if wire == LENGTH:
            size, position = self.varint(position, end)
            if size > end - position:
                raise self.broken(f"is truncated: {size:,} bytes are announced and {end - position:,} are left", at)
            return number, wire, position, position + size
        if wire == VARINT:
            _, stop = self.varint(position, end)
        elif wire in (FIXED32, FIXED64):
            stop = position + (4 if wire == FIXED32 else 8)
        else:
            raise self.broken(f"is no ONNX model: it has a field of wire type {wire}", at)
        if stop > end:
            raise self.broken("ends in the middle of a number", at)
        return number, wire, position, stop


def stub_entries(token: str, index: int) -> bytes:
    """The fields of a TensorProto that make it a stub: its place in the list of weights stands as the offset."""
    proto = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", token), ("offset", str(index))):
        proto.external_data.add(key=key, value=value)
    return bytes(proto.SerializeToString(deterministic=True))


def cut(view: memoryview, token: str, file: str) -> tuple[bytes, list[memoryview]]:
    """The skeleton of a serialised ModelProto, and the little-endian data of the tensors that were cut out of it.

    Raises MalformedModel for bytes that end early or are no message, LimitExceeded for nesting beyond DEPTH.
    """
    cutter = _Cutter(view, token, file)
    return b"".join(cutter.message("Model", 0, len(view), 0)), cutter.weights


class _Cutter(Reader):
    def __init__(self, view: memoryview, token: str, file: str) -> None:
        super().__init__(view, file)
        self.token = token
        self.weights: list[memoryview] = []

    def message(self, kind: str, start: int, end: int, depth: int) -> list[Piece]:
        """The pieces of one message, with everything below LARGE copied as it stands."""
        if depth > DEPTH:
            raise LimitExceeded("depth", f"{self.file!r} nests graphs too deeply", limit=DEPTH, file=self.file)
        children = CHILDREN[kind]
        pieces: list[Piece] = []
        position = copied = start
        while position < end:
            at = position
            number, wire, begin, position = self.field(at, end)
            child = children.get(number) if wire == LENGTH and position - begin >= LARGE else None
            if child is None:
                continue
            if child == "Tensor":
                inner = self.tensor(begin, position)
            else:
                inner = self.message(child, begin, position, depth + 1)
            pieces.append(self.view[copied:at])
            pieces.append(varint(number << 3 | LENGTH) + varint(sum(map(len, inner))))
            pieces += inner
            copied = position
        pieces.append(self.view[copied:end])
        return pieces

    def tensor(self, start: int, end: int) -> list[Piece]:
        """A TensorProto without its data, or as it stands where the data is not one block in raw layout."""
        rest: list[Piece] = []
        data: list[tuple[int, int, int]] = []
        element_type = 0
        position = start
        while position < end:
            at = position
            number, wire, begin, position = self.field(at, end)
            if number == DATA_TYPE and wire == VARINT:
                element_type, _ = self.varint(begin, end)
            if number in (FLOAT_DATA, RAW_DATA, DOUBLE_DATA) and position > begin:
                if wire != LENGTH:
                    return [self.view[start:end]]
                data.append((number, begin, position))
            else:
                rest.append(self.view[at:position])
        if len(data) != 1:
            return [self.view[start:end]]
        number, begin, stop = data[0]
        if stop - begin < LARGE or PACKED_AS_RAW.get(number, element_type) != element_type:
            return [self.view[start:end]]
        self.weights.append(self.view[begin:stop])
        return [*rest, stub_entries(self.token, len(self.weights) - 1)]


def splice(skeleton: bytes, token: str, sizes: Sequence[int]) -> list[bytes | int]:
    """What to write for the skeleton with its weights in place: bytes, and the indices of tensors between them.

    ``sizes``: bytes of each tensor's raw data, by the index in its stub.
    """
    return _Splicer(skeleton, token, sizes).all()


class _Splicer(Reader):
    def __init__(self, skeleton: bytes, token: str, sizes: Sequence[int]) -> None:
        super().__init__(memoryview(skeleton), "skeleton")
        self.sizes = sizes
        needle = token.encode()
        self.places: list[int] = []
        at = skeleton.find(needle)
        while at >= 0:
            self.places.append(at)
            at = skeleton.find(needle, at + 1)

    def all(self) -> list[bytes | int]:
        return self.message("Model", 0, len(self.view))[0]

    def has_stub(self, begin: int, end: int) -> bool:
        index = bisect_left(self.places, begin)
        return index < len(self.places) and self.places[index] < end

    def message(self, kind: str, start: int, end: int) -> tuple[list[bytes | int], int]:
        """Pieces of one message and the bytes they make up."""
        children = CHILDREN[kind]
        pieces: list[bytes | int] = []
        size = 0
        position = copied = start
        while position < end:
            at = position
            number, wire, begin, position = self.field(at, end)
            child = children.get(number) if wire == LENGTH and self.has_stub(begin, position) else None
            if child is None:
                continue
            inner, inner_size = (
                self.tensor(begin, position) if child == "Tensor" else self.message(child, begin, position)
            )
            head = bytes(self.view[copied:at]) + varint(number << 3 | LENGTH) + varint(inner_size)
            pieces += [head, *inner]
            size += len(head) + inner_size
            copied = position
        tail = bytes(self.view[copied:end])
        return [*pieces, tail], size + len(tail)

    def tensor(self, start: int, end: int) -> tuple[list[bytes | int], int]:
        """A stub with its raw data in place of the token."""
        proto = onnx.TensorProto.FromString(bytes(self.view[start:end]))
        index = int(next(entry.value for entry in proto.external_data if entry.key == "offset"))
        proto.ClearField("external_data")
        proto.ClearField("data_location")
        size = self.sizes[index]
        head = proto.SerializeToString(deterministic=True) + varint(RAW_DATA << 3 | LENGTH) + varint(size)
        return [head, index], len(head) + size

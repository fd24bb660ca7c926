"""The sorted string table in which checkpoints keep their index: LevelDB's table format, read with bounds.

The last 48 bytes give the index block; its values give the data blocks. Every block is followed by a byte for its
compression (0 none, 1 snappy) and a checksum, which is not needed here: lengths are checked instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from workers.errors import LimitExceeded, MalformedModel
from workers.formats.tensorflow.snappy import decompress

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48
ENTRIES = 2_000_000
"""Entries of one table at most."""
BLOCK = 1 << 30
"""Bytes of one block, uncompressed, at most."""


def is_table(tail: bytes | memoryview) -> bool:
    """Whether a file that ends with these bytes is such a table."""
    return len(tail) >= FOOTER and bytes(tail[-8:]) == MAGIC


def entries(data: memoryview, file: str) -> Iterator[tuple[bytes, memoryview]]:
    """All (key, value) of the table in order.

    Raises MalformedModel for bytes that are no table or end early, LimitExceeded for too many entries.
    """
    if not is_table(data):
        raise MalformedModel(f"{file!r} is no checkpoint table: its last bytes are wrong", file=file)
    reader = _Reader(data, file)
    footer = data[len(data) - FOOTER :]
    _, at = reader.number(footer, 0)
    _, at = reader.number(footer, at)
    offset, at = reader.number(footer, at)
    size, _ = reader.number(footer, at)
    count = 0
    for _, handle in reader.block(offset, size):
        begin, at = reader.number(handle, 0)
        length, _ = reader.number(handle, at)
        for entry in reader.block(begin, length):
            count += 1
            if count > ENTRIES:
                raise LimitExceeded("members", f"{file!r} has more than {ENTRIES:,} entries", limit=ENTRIES, file=file)
            yield entry


class _Reader:
    def __init__(self, data: memoryview, file: str) -> None:
        self.data = data
        self.file = file

    def broken(self, what: str) -> MalformedModel:
        return MalformedModel(f"{self.file!r} is damaged: {what}", file=self.file)

    def number(self, view: memoryview, at: int) -> tuple[int, int]:
        """A variable-length number at ``at`` and the position behind it."""
        result = shift = 0
        while at < len(view) and shift < 64:
            byte = view[at]
            at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result, at
            shift += 7
        raise self.broken("a number does not end")

    def block(self, offset: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
        """The entries of one block; keys are stored without what they share with the one before."""
        view = self.contents(offset, size)
        if len(view) < 4:
            raise self.broken(f"the block at byte {offset:,} is too short")
        restarts = int.from_bytes(view[-4:], "little")
        end = len(view) - 4 - 4 * restarts
        if end < 0:
            raise self.broken(f"the block at byte {offset:,} has {restarts:,} restarts, which do not fit in it")
        at, key = 0, b""
        while at < end:
            shared, at = self.number(view, at)
            own, at = self.number(view, at)
            length, at = self.number(view, at)
            if shared > len(key) or own > end - at or length > end - at - own:
                raise self.broken(f"an entry of the block at byte {offset:,} runs over its end")
            key = key[:shared] + bytes(view[at : at + own])
            at += own
            yield key, view[at : at + length]
            at += length

    def contents(self, offset: int, size: int) -> memoryview:
        if offset + size + 5 > len(self.data):
            raise self.broken(f"the block at byte {offset:,} runs over the end of the file")
        raw, kind = self.data[offset : offset + size], self.data[offset + size]
        if kind == 0:
            return raw
        if kind == 1:
            return memoryview(decompress(raw, self.file, BLOCK))
        raise self.broken(f"the block at byte {offset:,} is compressed by an unknown method ({kind})")

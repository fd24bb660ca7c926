"""The wire format: against the protobuf library's own encoder, and against bytes that lie."""

from __future__ import annotations

import io
import struct
import time

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.errors import ConversionError, LimitExceeded, MalformedModel
from workers.inspect.protobuf import Limits, decode, scan
from workers.inspect.protobuf_write import encode, write
from workers.inspect.schema import Message, Schema

# The library's own message for comparison: a part of onnx.proto, written down again as a table.
ONNX = Schema("""
message TensorProto {
  repeated int64 dims = 1; int32 data_type = 2; repeated float float_data = 4 [packed = true];
  repeated int32 int32_data = 5 [packed = true]; repeated bytes string_data = 6;
  repeated int64 int64_data = 7 [packed = true]; string name = 8; bytes raw_data = 9;
  repeated double double_data = 10 [packed = true]; string doc_string = 12;
}
message AttributeProto {
  enum AttributeType { UNDEFINED = 0; FLOAT = 1; INT = 2; STRING = 3; TENSOR = 4; FLOATS = 6; INTS = 7; }
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; TensorProto t = 5; repeated float floats = 7;
  repeated int64 ints = 8; repeated bytes strings = 9; AttributeType type = 20;
}
message NodeProto {
  repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
  repeated AttributeProto attribute = 5;
}
""")
TENSOR, NODE, ATTRIBUTE = ONNX["TensorProto"], ONNX["NodeProto"], ONNX["AttributeProto"]

KINDS = Schema("""
enum Colour { RED = 0; GREEN = 1; DARK = -1; }
message All {
  int32 a = 1; sint32 b = 2; uint32 c = 3; int64 d = 4; sint64 e = 5; uint64 f = 6; bool g = 7; Colour h = 8;
  fixed32 i = 9; sfixed64 j = 10; float k = 11 [default = 0.5]; double l = 12; string m = 13 [default = "hi"];
  bytes n = 14; All o = 15; repeated All p = 16; map<string, int32> q = 17; repeated Colour r = 18;
  repeated fixed32 s = 19 [packed = true]; oneof one { int32 t = 20; string u = 21; }
}
message Fork { string type = 1; All left = 2 [ambiguous = true]; Word right = 2 [ambiguous = true]; }
message Word { string text = 13; }
""", resolve={"Fork": lambda m, fields: next((f for f in fields if f.name == m.type), None)})  # fmt: skip
ALL, FORK = KINDS["All"], KINDS["Fork"]


def reference() -> onnx.NodeProto:
    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [2, 3], [1, 2, 3, 4, 5, -0.5])
    return onnx.helper.make_node(
        "Op", ["a", "ü"], ["b"], "n", t=tensor, ints=[1, -2, 2**40], floats=[0.1, 2], s="text", f=0.25, i=-7
    )


def test_reads_what_the_library_writes() -> None:
    raw = reference().SerializeToString()
    node = decode(raw, NODE)
    assert node.input == ["a", "ü"] and node.op_type == "Op"
    by_name = {entry.name: entry for entry in node.attribute}
    assert by_name["ints"].ints == [1, -2, 2**40] and by_name["i"].i == -7 and by_name["f"].type == "FLOAT"
    np.testing.assert_array_equal(by_name["t"].t.float_data, np.float32([1, 2, 3, 4, 5, -0.5]))
    np.testing.assert_array_equal(by_name["floats"].floats, np.float32([0.1, 2]))
    assert bytes(by_name["s"].s) == b"text"


def test_writes_what_the_library_reads() -> None:
    written = encode(decode(reference().SerializeToString(), NODE))
    again = onnx.NodeProto()
    again.ParseFromString(written)
    assert again == reference()


def test_packed_floats_are_views_on_the_buffer() -> None:
    raw = memoryview(encode(TENSOR(float_data=np.arange(1000, dtype=np.float32))))
    tensor = decode(raw, TENSOR)
    assert not tensor.float_data.flags.owndata
    assert np.shares_memory(tensor.float_data, np.frombuffer(raw, np.uint8))


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_unpacked_floats_of_old_writers_are_read(count: int) -> None:
    values = np.arange(count, dtype=np.float32)
    raw = b"".join(b"\x25" + struct.pack("<f", value) for value in values) + b"\x10\x01"
    tensor = decode(raw, TENSOR)
    np.testing.assert_array_equal(tensor.float_data, values)
    assert tensor.data_type == 1


def test_many_short_runs_are_read_as_fast_as_one_long_one() -> None:
    """A run that looked at all that follows it, or copied all that came before, would take an hour here."""
    raw = (b"\x25" + struct.pack("<f", 1.5) + b"\x10\x01") * 300_000
    start = time.perf_counter()
    tensor = decode(raw, TENSOR)
    assert time.perf_counter() - start < 30
    assert tensor.float_data.shape == (300_000,) and (tensor.float_data == 1.5).all()


@pytest.mark.parametrize("count", [63, 64, 65, 66, 320, 321, 5000])
def test_runs_end_where_their_tags_end(count: int) -> None:
    values = np.arange(count, dtype=np.float32)
    run = b"".join(b"\x25" + struct.pack("<f", value) for value in values)
    for tail in (b"", b"\x10\x01", b"\x10\x01" + run, b"\x10\x25" * 500):
        np.testing.assert_array_equal(decode(run + tail, TENSOR).float_data[:count], values)


def test_packed_and_unpacked_parts_add_up() -> None:
    one, two = encode(TENSOR(float_data=[1.0, 2.0])), b"\x25" + struct.pack("<f", 3)
    np.testing.assert_array_equal(decode(one + two + one, TENSOR).float_data, [1, 2, 3, 1, 2])
    assert decode(b"\x0a\x02\x01\x02\x08\x03", TENSOR).dims == [1, 2, 3]


def test_every_kind_of_field_survives_both_ways() -> None:
    values = dict(
        a=-5, b=-6, c=7, d=-(2**40), e=-(2**41), f=2**63, g=True, h="DARK", i=9, j=-10, k=1.5, l=-2.5, m="ä", n=b"\0\1",
        o={"a": 1, "o": {"m": "deep"}}, p=[{"a": 2}, {}], q=[{"key": "x", "value": 3}], r=["GREEN", "RED"],
        s=[1, 2], t=4,
    )  # fmt: skip
    message = ALL(**values)
    again = decode(encode(message), ALL)
    assert again == message and again.o.o.m == "deep" and len(again.p) == 2 and again.q[0].value == 3
    stream = io.BytesIO()
    assert write(message, stream) == len(encode(message)) and stream.getvalue() == encode(message)


def test_unset_fields_read_as_their_defaults() -> None:
    empty = ALL()
    assert (empty.a, empty.k, empty.m, empty.h, empty.g, empty.o.k, empty.p) == (0, 0.5, "hi", "RED", False, 0.5, [])
    assert not empty.has("o") and not empty.has("p") and list(empty.fields()) == []
    with pytest.raises(AttributeError, match="no field 'zz'"):
        _ = empty.zz
    with pytest.raises(AttributeError):
        empty.zz = 1


def test_messages_met_twice_merge_and_scalars_overwrite() -> None:
    raw = encode(ALL(a=1, o={"a": 1, "r": ["RED"]})) + encode(ALL(a=2, o={"b": 2, "r": ["GREEN"]}))
    message = decode(raw, ALL)
    assert message.a == 2 and (message.o.a, message.o.b, message.o.r) == (1, 2, ["RED", "GREEN"])


def test_unknown_fields_are_kept_aside() -> None:
    raw = encode(ALL(a=1)) + b"\xf8\x01\x05" + b"\xfa\x01\x03abc" + b"\xfb\x01\x08\x01\xfc\x01"
    message = decode(raw, ALL)
    assert message.a == 1 and [(u.number, u.wire) for u in message.unknown_fields] == [(31, 0), (31, 2), (31, 3)]
    assert decode(b"\x0a\x01a", ALL).unknown_fields[0].number == 1, "a string where the table has a number"


@pytest.mark.parametrize(("type_", "field"), [("left", "left"), ("right", "right"), ("other", None)])
def test_the_schema_chooses_among_fields_of_one_number(type_: str, field: str | None) -> None:
    raw = b"\x12\x04" + encode(KINDS["Word"](text="hm")) + encode(FORK(type=type_))
    message = decode(raw, FORK)
    assert message.has("left") is (field == "left") and message.has("right") is (field == "right")
    assert (len(message.unknown_fields) == 0) is (field is not None)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\x22\x10\x00", "16 bytes are announced and 1 are left"),
        (b"\x22\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "are announced"),
        (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "more than ten bytes"),
        (b"\x10", "middle of a number"),
        (b"\x25\x00", "middle of a 4-byte number"),
        (b"\x22\x03\x00\x00\x00", "3 bytes where float numbers are packed"),
        (b"\x00\x00", "numbered 0"),
        (b"\x16", "unknown wire type 6"),
        (b"\x1c", "unknown wire type 4"),
        (b"\xfb\x01\xf4\x01", "closes a group"),
    ],
)
def test_damaged_bytes_name_the_place(raw: bytes, said: str) -> None:
    with pytest.raises(MalformedModel, match=said) as caught:
        decode(raw, TENSOR, file="w.pb")
    assert caught.value.file == "w.pb" and "'w.pb'" in caught.value.detail


def test_the_path_of_the_field_is_named() -> None:
    raw = encode(NODE(attribute=[{"t": {"float_data": np.zeros(100, np.float32)}}]))
    with pytest.raises(MalformedModel, match=r"\(in attribute\)"):
        decode(raw[:-5], NODE)


def test_depth_and_count_are_bounded() -> None:
    raw = b""
    for _ in range(100):
        raw = (
            b"\x7a"
            + bytes([len(raw) & 0x7F | (0x80 if len(raw) > 127 else 0)])
            + (b"\x01" if len(raw) > 127 else b"")
            + raw
        )
    with pytest.raises(LimitExceeded, match="nested deeper than 64"):
        decode(raw, ALL)
    with pytest.raises(LimitExceeded, match="more than 10 fields"):
        decode(b"\x08\x01" * 20, ALL, limits=Limits(fields=10))
    with pytest.raises(LimitExceeded):
        decode(b"\x3a\x20" + b"\x01" * 32, TENSOR, limits=Limits(fields=10))
    with pytest.raises(MalformedModel, match="groups deeper"):
        decode(b"\xfb\x01" * 100_000, ALL)


def test_text_that_is_no_utf8_stays_readable() -> None:
    assert decode(b"\x6a\x02\xff\xfe", ALL).m == "\\xff\\xfe"


def test_scan_stops_where_the_bytes_end() -> None:
    raw = encode(NODE(input=["a"], op_type="Op"))
    assert [(n, w, bytes(v)) for n, w, v in scan(raw[:-1])] == [(1, 2, b"a"), (4, 2, b"O")]
    assert list(scan(b"\x00\xff")) == [] and list(scan(b"\x0a\xff\xff")) == []


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_message_or_a_refusal(raw: bytes) -> None:
    for kind in (ALL, NODE, TENSOR, FORK):
        try:
            message = decode(raw, kind)
        except ConversionError:
            continue
        assert isinstance(message, Message) and decode(encode(message), kind) == message


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_message_survives_both_ways(data: st.DataObject) -> None:
    scalars = {
        "a": st.integers(-(2**31), 2**31 - 1), "b": st.integers(-(2**31), 2**31 - 1), "f": st.integers(0, 2**64 - 1),
        "e": st.integers(-(2**63), 2**63 - 1), "j": st.integers(-(2**63), 2**63 - 1), "l": st.floats(allow_nan=False),
        "k": st.floats(width=32, allow_nan=False), "m": st.text(st.characters(codec="utf-8")), "n": st.binary(),
        "h": st.sampled_from(["RED", "GREEN", "DARK"]), "r": st.lists(st.sampled_from(["RED", "DARK"])),
        "s": st.lists(st.integers(0, 2**32 - 1)),
    }  # fmt: skip
    chosen = data.draw(st.sets(st.sampled_from(sorted(scalars))))
    message = ALL(**{name: data.draw(scalars[name]) for name in chosen})
    assert decode(encode(message), ALL) == message


@pytest.mark.parametrize(
    "text",
    ["message A { int32 a = 1", "message A { Nope a = 1; }", "message A { int32 a = 1; int32 a = 2; }", "huh A { }"],
)
def test_a_broken_table_is_a_fault_of_ours(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        Schema(text)

# ruff: noqa: E501 - tables of texts
"""The text format: what protobuf's own parser accepts, what it prints, and what must end in a refusal."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.inspect.test_protobuf import ALL, NODE, reference
from workers.errors import ConversionError, LimitExceeded, MalformedModel
from workers.inspect.protobuf import decode
from workers.inspect.protobuf_write import encode
from workers.inspect.prototext import TextLimits, parse, print_text
from workers.inspect.schema import Message


def message(text: str) -> Message:
    parsed = parse(text, ALL)
    assert parsed.warnings == ()
    return parsed.message


def test_reads_what_the_library_prints() -> None:
    want = decode(reference().SerializeToString(), NODE)
    got = parse(text_format.MessageToString(reference()), NODE)
    assert encode(got.message) == encode(want)


def test_prints_what_the_library_reads() -> None:
    node = onnx.NodeProto()
    text_format.Parse(print_text(decode(reference().SerializeToString(), NODE)), node)
    assert node == reference()


@pytest.mark.parametrize(
    ("text", "field", "want"),
    [
        ("a: 5", "a", 5), ("a: -5", "a", -5), ("a: - 5", "a", -5), ("a: 0x1F", "a", 31), ("a: 017", "a", 15),
        ("a: -0xC", "a", -12), ("f: 18446744073709551615", "f", 2**64 - 1), ("d: -9223372036854775808", "d", -(2**63)),
        ("k: 1", "k", 1.0), ("k: .5", "k", 0.5), ("k: 5.", "k", 5.0), ("k: 1e-2f", "k", float(np.float32(0.01))),
        ("k: 2f", "k", 2.0), ("k: 1.5F", "k", 1.5), ("k: inf", "k", math.inf), ("k: -inf", "k", -math.inf),
        ("k: -Infinity", "k", -math.inf), ("k: 1e99", "k", math.inf), ("l: 1e99", "l", 1e99), ("k: 0x10", "k", 16.0),
        ("g: true", "g", True), ("g: t", "g", True), ("g: 1", "g", True), ("g: False", "g", False), ("g: 0", "g", False),
        ("h: GREEN", "h", "GREEN"), ("h: 1", "h", "GREEN"), ("h: -1", "h", "DARK"), ("h: 7", "h", 7),
        ("m: 'single'", "m", "single"), ('m: "a" \'b\'  "c"', "m", "abc"), ("m: 'it''s'", "m", "its"),
        (r"m: 'a\n\t\\\'\"\?'", "m", "a\n\t\\'\"?"), (r"m: '\101\x42\u0043\U00000044'", "m", "ABCD"),
        (r"m: '\303\274'", "m", "ü"), ("m: 'ü'", "m", "ü"), (r"n: '\000\377'", "n", b"\x00\xff"),
        ("r: RED r: GREEN", "r", ["RED", "GREEN"]), ("r: [RED, 1]", "r", ["RED", "GREEN"]), ("r: []", "r", []),
        ("r: [RED] r: GREEN", "r", ["RED", "GREEN"]), ("a: 1 a: 2", "a", 2), ("a: 1, b: 2; c: 3", "c", 3),
        ("# comment\na: 1 # another\n", "a", 1), ("\ufeffa: 1", "a", 1), ("a:1b:2", "b", None),
    ],
)  # fmt: skip
def test_scalars(text: str, field: str, want: object) -> None:
    if want is None:
        with pytest.raises(MalformedModel):
            message(text)
        return
    got = parse(text.encode(), ALL).message[field]
    assert got == want and type(got) is type(want)


@pytest.mark.parametrize("text", ["o { a: 1 }", "o: { a: 1 }", "o < a: 1 >", "o: < a: 1 >,", "o { a: 1; };", "o{a:1}"])
def test_messages(text: str) -> None:
    assert message(text).o.a == 1


def test_repeated_messages_and_lists_of_them() -> None:
    assert [part.a for part in message("p { a: 1 } p: [{ a: 2 }, < a: 3 >]").p] == [1, 2, 3]


def test_a_singular_message_given_twice_is_merged() -> None:
    got = message("o { a: 1 r: RED } o { b: 2 r: GREEN }").o
    assert (got.a, got.b, got.r) == (1, 2, ["RED", "GREEN"])


def test_nan() -> None:
    assert math.isnan(message("k: nan").k)


@pytest.mark.parametrize(
    "text",
    [
        "zz: 1", "zz: 'a' 'b'", "zz: [1, -2, 'x']", "zz { a: 1 yy { } }", "zz: < a: -1 >", "zz: NAME", "zz: [{a: 1}, {}]",
        "zz: -inf", "zz {a: 1, b: 2; c: 3}",
    ],
)  # fmt: skip
def test_unknown_fields_become_warnings(text: str) -> None:
    parsed = parse(f"a: 1\n{text}\nb: 2", ALL)
    assert (parsed.message.a, parsed.message.b) == (1, 2)
    assert parsed.warnings == ("All has no field 'zz': left out (line 2, column 1)",)


def test_an_unknown_enum_name_is_kept_with_a_warning() -> None:
    parsed = parse("h: PURPLE", ALL)
    assert parsed.message.h == "PURPLE" and "no value 'PURPLE'" in parsed.warnings[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: x", "takes an integer"), ("a: 1.5", "takes an integer"), ("a: 08", "takes an integer"), ("a: 99999999999", "outside"),
        ("c: -1", "outside"), ("a 1", "':' belongs"), ("a:", "its end"), ("a: [1, 2]", "not repeated"), ("o: 1", "message o"),
        ("o { a: 1", "ends inside"), ("o { a: 1 >", "name of a field"), ("} a: 1", "name of a field"), ("m: 5", "string belongs"),
        ("m: 'open", "unexpected"), ("m: 'a\nb'", "unexpected"), (r"m: '\q'", "unknown escape"), ("g: 2", "true or false"),
        ("k: abc", "takes a number"), ("[foo.bar] { }", "name of a field"), ("r: [RED", "']' belongs"), ("@", "unexpected '@'"),
        ("zz { [a.b]: 1 }", "name of a field"), ("zz: }", "value belongs"), (r"m: '\UFFFFFFFF'", "impossible character"),
        ("a: 1" + "0" * 5000, "digits"),
    ],
)  # fmt: skip
def test_broken_text_says_where(text: str, said: str) -> None:
    with pytest.raises(MalformedModel, match=said) as caught:
        parse("b: 1\n" + text, ALL, file="deploy.prototxt")
    assert "'deploy.prototxt'" in caught.value.detail and "line " in caught.value.detail


def test_a_binary_file_is_no_text() -> None:
    with pytest.raises(MalformedModel, match="not a text file"):
        parse(b"\x0a\x00\x01", ALL, file="a")


def test_size_depth_and_count_are_bounded() -> None:
    for text, limits in (
        ("a: 1" * 10, TextLimits(size=20)),
        ("a: 1 " * 10, TextLimits(fields=5)),
        ("o {" * 100, TextLimits()),
    ):
        with pytest.raises(LimitExceeded):
            parse(text, ALL, limits=limits)
    for text in ("zz {" * 10_000, "zz: [" * 10_000, "o { zz {" * 10_000):
        with pytest.raises(LimitExceeded):
            parse(text, ALL)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("abkmoprhz{}<>[]:;,.-+#'\"\\ 0123456789efxGREN\nü"), max_size=60))
def test_any_text_ends_in_a_message_or_a_refusal(text: str) -> None:
    try:
        parsed = parse(text, ALL)
    except ConversionError as error:
        assert error.detail
    else:
        assert parse(print_text(parsed.message), ALL).message == parsed.message or "nan" in text or "h:" in text


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
def test_what_is_printed_reads_back(raw: bytes) -> None:
    try:
        want = decode(raw, ALL)
    except ConversionError:
        return
    assert encode(parse(print_text(want), ALL).message) == encode(want)

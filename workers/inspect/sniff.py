"""Which format an upload is: every format looks at the files and says how sure it is, and by what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workers.errors import AmbiguousFormat, MalformedModel, UnknownFormat, UnsupportedConversion
from workers.formats.contract import Evidence, Format
from workers.inspect.magic import kind_by_magic
from workers.inspect.names import shown
from workers.inspect.upload import Upload, UploadedFile

TAR_AT, TAR = 257, b"ustar"
FLATBUFFER_AT = {b"TFL3": "a TFLite FlatBuffer", b"MNN ": "an MNN FlatBuffer"}
SEEN_FILES = 20
CLOSE = 1e-6


def sniff(upload: Upload, formats: Mapping[str, Format], source: str | None = None) -> tuple[Format, Evidence]:
    """The format of an upload, and what was seen that says so.

    ``source`` names the format outright; the evidence then tells when the bytes look like another one. Raises
    UnknownFormat (with what was seen in each file) when no format recognises them, AmbiguousFormat when two are equally
    sure, MalformedModel for an empty file.
    """
    if not upload.files:
        raise UnknownFormat("there are no files")
    for file in upload.files:
        if file.size == 0:
            raise MalformedModel(f"'{shown(file.name)}' is empty", file=file.name)
    found = [(format, evidence) for format in formats.values() if (evidence := format.sniff(upload)) is not None]
    found.sort(key=lambda pair: -pair[1].score)
    if source is not None:
        return _named(source, formats, found)
    if not found:
        raise UnknownFormat(
            f"no format recognises the files: {seen(upload.files)}",
            hint=f"onnxhub reads {_readable(formats)}. If the files are one of these, name it as the source.",
        )
    best = found[0][1].score
    equals = [pair for pair in found if best - pair[1].score < CLOSE]
    if len(equals) > 1:
        told = "; ".join(f"{format.title}: {evidence.reason}" for format, evidence in equals)
        raise AmbiguousFormat(
            f"the files could be of several formats: {told}",
            hint="Name the source format: " + " or ".join(format.name for format, _ in equals) + ".",
        )
    return found[0]


def _named(source: str, formats: Mapping[str, Format], found: list[tuple[Format, Evidence]]) -> tuple[Format, Evidence]:
    """What the user said it is, with a doubt where the bytes say otherwise."""
    if source not in formats:
        raise UnsupportedConversion(
            f"there is no format {source!r}", hint=f"Formats are: {', '.join(sorted(formats))}."
        )
    own = next((evidence for format, evidence in found if format.name == source), None)
    others = [(format, evidence) for format, evidence in found if format.name != source]
    if own is None:
        told = f"named as the source, although nothing in the files says {formats[source].title}"
        own = Evidence(0.0, told)
    if others and others[0][1].score > own.score:
        format, evidence = others[0]
        own = Evidence(own.score, f"{own.reason}; the files look more like {format.title}: {evidence.reason}")
    return formats[source], own


def _readable(formats: Mapping[str, Format]) -> str:
    return ", ".join(format.title for format in formats.values() if format.read is not None) or "nothing"


def seen(files: Iterable[UploadedFile]) -> str:
    """Each file's name, size and kind in one line."""
    listed = list(files)
    told = [f"'{shown(file.name)}' ({file.size:,} bytes) is {kind_of(file)}" for file in listed[:SEEN_FILES]]
    if len(listed) > SEEN_FILES:
        told.append(f"and {len(listed) - SEEN_FILES} more files")
    return "; ".join(told)


def kind_of(file: UploadedFile) -> str:
    """What the first bytes tell of a file, in words."""
    head = file.head(4096)
    known = kind_by_magic(head)
    if known is not None:
        return known
    if head[TAR_AT : TAR_AT + len(TAR)] == TAR:
        return "a tar archive"
    if head[4:8] in FLATBUFFER_AT:
        return FLATBUFFER_AT[head[4:8]]
    if head[8:16].lstrip().startswith(b'{"') and int.from_bytes(head[:8], "little") <= file.size:
        return "a safetensors file"
    if not head.strip(b"\0"):
        return "zeros"
    return _text(head) or f"binary data that begins {head[:16].hex(' ')}"


def _text(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return None
        text = head[: error.start].decode("utf-8")
    if any(ord(char) < 32 and char not in "\t\n\r\f" for char in text):
        return None
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    kind = "JSON" if first.startswith(("{", "[")) else "text"
    return f"{kind} that begins '{shown(first[:40])}'"

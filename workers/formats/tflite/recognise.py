"""Whether an upload is a TensorFlow Lite model: the letters TFL3 at byte 4, whatever the file is called."""

from __future__ import annotations

from workers.errors import MalformedModel, MissingFile
from workers.formats.contract import Evidence
from workers.formats.tflite.file import is_tflite
from workers.inspect.magic import kind_by_magic
from workers.inspect.upload import Upload, UploadedFile

SUFFIXES = (".tflite", ".lite")


def sniff(upload: Upload) -> Evidence | None:
    """The evidence names the file; a name alone counts little, for the letters are always there."""
    for file in upload.files:
        if is_tflite(file.head(8)):
            return Evidence(0.98, f"{file.name!r} bears the mark TFL3 of a TensorFlow Lite flatbuffer")
    for file in upload.files:
        if file.suffix in SUFFIXES and kind_by_magic(file.head(16)) is None:
            return Evidence(0.3, f"{file.name!r} is called like a TensorFlow Lite model, but lacks its mark TFL3")
    return None


def model_of(upload: Upload) -> UploadedFile:
    """The one model of an upload. Raises MissingFile when there is none, MalformedModel when there are several."""
    found = [file for file in upload.files if is_tflite(file.head(8))]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(repr(file.name) for file in found)
        raise MalformedModel(f"the upload holds {len(found)} TensorFlow Lite models ({names})", hint="Upload one.")
    named = [file for file in upload.files if file.suffix in SUFFIXES]
    if named:
        what = kind_by_magic(named[0].head(16)) or "no flatbuffer with the mark TFL3 at byte 4"
        raise MalformedModel(
            f"{named[0].name!r} is {what}, not a TensorFlow Lite model", file=named[0].name,
            hint="Upload the file as the converter wrote it; a download that was cut short must be repeated.",
        )  # fmt: skip
    raise MissingFile("the upload holds no TensorFlow Lite model", hint="It is one file, usually called *.tflite.")

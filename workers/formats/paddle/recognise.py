"""What each uploaded file is to Paddle, told by its content: programs and parameters have arbitrary names in fluid."""

from __future__ import annotations

import re

from workers.formats.contract import Evidence
from workers.formats.paddle.desc import is_program
from workers.formats.paddle.file import is_params
from workers.inspect.kind import Kind, is_text
from workers.inspect.magic import kind_by_magic
from workers.inspect.upload import Upload, UploadedFile

PROGRAM, PIR, PARAMS, PICKLE, COMPANION, OTHER = "program", "pir", "params", "pickle", "companion", "other"
HEAD, TEXT = 1 << 16, 1 << 10
PROGRAM_NAMES = (".pdmodel",)
COMPANIONS = (".pdiparams.info", ".yml", ".yaml", ".txt", ".md", ".log")
_PIR = re.compile(rb'"magic"\s*:\s*"pir"')


def kind_of(file: UploadedFile) -> Kind:
    """Look at the head of a file, of a JSON text also at its tail.

    A program may begin like JSON: its tag is a line feed, and its length may hold the byte of a brace.
    """
    name = file.name.lower()
    if name.endswith(COMPANIONS):
        return Kind(COMPANION, "a companion that holds no network")
    if file.size == 0:
        return Kind(OTHER, "empty")
    head = file.head(HEAD)
    if is_params(head):
        return Kind(PARAMS, "Paddle parameters")
    if is_text(head[:TEXT]) and head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        found = _PIR.search(head) or _PIR.search(bytes(file.map()[-HEAD:]))
        return Kind(PIR, "a program of Paddle 3") if found else Kind(OTHER, "JSON, but no program of Paddle 3")
    if head[:1] == b"\x80" and name.endswith((".pdparams", ".pdopt")):
        return Kind(PICKLE, "a pickled state dictionary of Paddle")
    other = kind_by_magic(head)
    if other is not None:
        return Kind(OTHER, other)
    if is_program(head):
        return Kind(PROGRAM, "a Paddle program")
    return Kind(OTHER, "no Paddle file")


def sniff(upload: Upload) -> Evidence | None:
    """Whether an upload is a Paddle model, and from which file that shows."""
    by_role: dict[str, UploadedFile] = {}
    for file in upload.files:
        by_role.setdefault(kind_of(file).role, file)
    program, params = by_role.get(PROGRAM) or by_role.get(PIR), by_role.get(PARAMS)
    if program is not None:
        words = "a program of Paddle 3 (PIR)" if PROGRAM not in by_role else "a Paddle program (ProgramDesc)"
        beside = f" and {params.name!r} holds Paddle parameters" if params is not None else ""
        return Evidence(0.98 if params is not None else 0.93, f"{program.name!r} is {words}{beside}")
    if params is not None:
        return Evidence(0.9, f"{params.name!r} holds Paddle parameters, without a program")
    if PICKLE in by_role:
        return Evidence(0.9, f"{by_role[PICKLE].name!r} is a state dictionary that paddle.save pickled")
    return None

"""A TorchScript archive: classes and functions as source text in a subset of Python, parsed and never run; the module
object as inert records of attributes.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, field
from typing import Any

from workers.errors import LimitExceeded, MalformedModel
from workers.formats.pytorch.archive import Archive
from workers.formats.pytorch.tensors import Array, Stored, build
from workers.formats.pytorch.unpickle import Cursor, Stream

SOURCE_BYTES = 64 << 20
# ``def f(a: int,`` up to the parenthesis that closes the arguments.
_HEADER = re.compile(r"def \w+\([^)]*?\)(?= ->|:)", re.S)


@dataclass(slots=True)
class Class:
    """``methods`` by name; ``constants``: attributes whose values stand in the source (``x : Final[int] = 3``)."""

    name: str
    methods: dict[str, ast.FunctionDef]
    constants: dict[str, ast.expr]
    fields: list[str]
    is_tuple: bool
    is_module: bool = True


@dataclass(slots=True)
class Sources:
    """All classes and functions of an archive by qualified name (``__torch__.torch.nn.modules.conv.Conv2d``)."""

    file: str
    classes: dict[str, Class] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)

    def add(self, text: str, module: str) -> None:
        """Parse one file. Raises MalformedModel for text that is no Python, LimitExceeded for too much of it."""
        if len(text) > SOURCE_BYTES:
            raise LimitExceeded("size", f"a source file in {self.file!r} is too long", limit=SOURCE_BYTES)
        try:
            tree = _tree(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise MalformedModel(f"the source {module} in {self.file!r} cannot be parsed: {error}", file=self.file) \
                from error  # fmt: skip
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self.classes[f"{module}.{node.name}"] = _class(node, f"{module}.{node.name}")
            elif isinstance(node, ast.FunctionDef):
                self.functions[f"{module}.{node.name}"] = node


def _tree(text: str) -> ast.Module:
    """The syntax tree. TorchScript lets arguments without a default follow those with one, Python does not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except SyntaxError as error:
            if "default argument" not in str(error):
                raise
        return ast.parse(_HEADER.sub(lambda found: _defaulted(found.group(0)), text))


def _defaulted(header: str) -> str:
    """A function's header with a default for every argument behind the first that has one."""
    lines, seen = header.split(",\n"), False
    for index, line in enumerate(lines):
        body, end = (line, "") if index < len(lines) - 1 else (line[: line.rindex(")")], line[line.rindex(")") :])
        seen = seen or "=" in body
        lines[index] = (body + "=None" if seen and "=" not in body else body) + end
    return ",\n".join(lines)


def _class(node: ast.ClassDef, name: str) -> Class:
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    found = Class(name, {}, {}, [], "NamedTuple" in bases, "Module" in bases)
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            found.methods[item.name] = item
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found.fields.append(item.target.id)
            if item.value is not None:
                found.constants[item.target.id] = item.value
    return found


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """An archive's parts: ``root`` the pickled module, ``constants`` the tensors ``CONSTANTS.c0``..., ``traced`` the
    shapes and types of the tensors that the model was traced with."""

    archive: Archive
    sources: Sources
    root: Any
    constants: list[Any]
    traced: list[Any] | None
    version: str

    def array(self, stored: Stored, where: str = "data") -> Array:
        def storages(key: str, size: int) -> memoryview:
            return self.archive.view(f"{where}/{key}")

        swapped = "byteorder" in self.archive and self.archive.content("byteorder").strip() == b"big"
        return stored.array(storages, self.archive.name, swapped=swapped)


def load(archive: Archive) -> ScriptFile:
    """Parse sources and pickles. Raises MalformedModel."""
    sources = Sources(archive.name)
    for name in archive.names:
        if name.startswith("code/") and name.endswith(".py"):
            sources.add(archive.text(name), name[len("code/") : -len(".py")].replace("/", "."))
    root = _pickle(archive, "data.pkl")
    constants = _pickle(archive, "constants.pkl") if "constants.pkl" in archive else ()
    version = next((archive.text(n).strip() for n in (".data/version", "version") if n in archive), "")
    return ScriptFile(archive, sources, root, list(constants), _traced(archive), version)


def _traced(archive: Archive) -> list[Any] | None:
    if "traced_inputs.pkl" not in archive:
        return None
    found = _pickle(archive, "traced_inputs.pkl")
    inputs = found.get("forward") if isinstance(found, dict) else None
    return list(inputs) if isinstance(inputs, list | tuple) else None


def _pickle(archive: Archive, name: str) -> Any:
    return Stream(Cursor(memoryview(archive.content(name))), archive.name, build).load()

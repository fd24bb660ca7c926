"""ONNX's text of functions, read with bounds: nothing of it runs, and nothing too deep reaches a parser that recurs.

The syntax is ONNX's own (onnx/docs/Syntax.md); ``#`` begins a comment. Functions are written for the hub's opset.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import onnx

from workers.errors import LimitExceeded, MalformedModel
from workers.hub import IR_VERSION, OPSET
from workers.inspect.upload import UploadedFile

BYTES, DEPTH, FUNCTIONS, NODES = 1 << 20, 32, 200, 100_000
CALLING = -1
# The parser takes functions behind a graph only. One line, so that those of its errors are one too high.
GRAPH = f'<ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}]> none () => () {{}}\n'
HINT = (
    f'A function looks like this: <opset_import: ["" : {OPSET}]> Swish <beta: float = 1.0> (x) => (y) {{ b = Constant '
    "<value_float: float = @beta> ()  s = Mul (b, x)  t = Sigmoid (s)  y = Mul (x, t) }"
)
_PLACE = re.compile(r"\(line: (\d+) column: (\d+)\)\]\s*(?:Error context: (.*)\n)?(.*)", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*')
Key = tuple[str, str]


def read_functions(file: UploadedFile, known: Mapping[Key, onnx.FunctionProto]) -> list[onnx.FunctionProto]:
    """The file's functions. Those with a domain, ``known`` ones too, may be called by others. Raises MalformedModel."""
    text = _text(file)
    try:
        model = onnx.parser.parse_model(GRAPH + text)
    except (onnx.parser.ParseError, ValueError, IndexError, RuntimeError, OverflowError) as error:
        raise _damaged(file, *_place(error)) from error
    functions = list(model.functions)
    if not functions or model.graph.node:
        raise _damaged(file, "it holds no functions")
    if len(functions) > FUNCTIONS:
        raise LimitExceeded("nodes", f"{file.name!r} has {len(functions)} functions", limit=FUNCTIONS, file=file.name)
    library = dict(known)
    for function in functions:
        key = function.domain, function.name
        if key in library:
            raise _damaged(file, f"it defines the function {function.name!r} twice")
        library[key] = function
    others = {key: function for key, function in library.items() if key[0]}
    sizes: dict[int, int] = {}
    for function in functions:
        _check(file, function, others)
        _size(file, function, others, sizes)
    return functions


def _text(file: UploadedFile) -> str:
    """The file's text, none of it too large or too deep for a parser that recurs."""
    if file.size > BYTES:
        raise LimitExceeded("size", f"{file.name!r} is {file.size:,} bytes of text", limit=BYTES, file=file.name)
    try:
        text = bytes(file.map()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _damaged(file, f"it is no text: byte {error.start} is none of UTF-8's") from error
    if "\0" in text:
        raise _damaged(file, "it is no text: it has zero bytes")
    depth = 0
    for char in _STRING.sub("", text):
        depth += (char in "{[(<") - (char in "}])>")
        if depth > DEPTH:
            raise LimitExceeded("depth", f"{file.name!r} nests brackets too deeply", limit=DEPTH, file=file.name)
    return text


def _place(error: Exception) -> tuple[str, int | None]:
    """The parser's words, and the line in the file."""
    words = error.args[0] if error.args else ""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    found = _PLACE.search(text)
    if found is None:
        return " ".join(text.split())[:300], None
    line, _, context, said = found.groups()
    near = f", near {context.strip()[:60]!r}" if context else ""
    return f"{' '.join(said.split())[:200]}{near}", int(line) - 1


def _check(file: UploadedFile, function: onnx.FunctionProto, library: Mapping[Key, onnx.FunctionProto]) -> None:
    """Every operator is ONNX's at the hub's opset, or a function of the upload; then ONNX's own checker."""
    versions = {entry.domain: entry.version for entry in function.opset_import}
    if versions.get("", versions.get("ai.onnx")) != OPSET:
        raise _damaged(
            file, f'the function {function.name!r} is not written for opset {OPSET}: opset_import: ["" : {OPSET}]'
        )
    declared = {*function.attribute, *(attribute.name for attribute in function.attribute_proto)}
    for node in _nodes(function.node):
        if (node.domain, node.op_type) not in library and (
            node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, OPSET, "")
        ):
            shown = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise _damaged(
                file, f"the function {function.name!r} uses {shown}, which opset {OPSET} and this file do not have"
            )
        for attribute in node.attribute:
            if attribute.ref_attr_name and attribute.ref_attr_name not in declared:
                raise _damaged(
                    file, f"the function {function.name!r} has no attribute {attribute.ref_attr_name!r}, which it uses"
                )
    context = onnx.checker.C.CheckerContext()
    context.ir_version = IR_VERSION
    context.opset_imports = {"": OPSET, **versions, **{domain: 1 for domain, _ in library}}
    named = onnx.FunctionProto()
    named.CopyFrom(function)
    named.domain = function.domain or "layer"  # ONNX wants one
    try:
        onnx.checker.check_function(named, context)
    except onnx.checker.ValidationError as error:
        words = next((line for line in str(error).splitlines() if line.strip()), "")
        raise _damaged(file, f"the function {function.name!r}: {words[:300]}") from error


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterable[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g.node)


def _size(
    file: UploadedFile, function: onnx.FunctionProto, library: Mapping[Key, onnx.FunctionProto], known: dict[int, int]
) -> int:
    """Nodes of the function with those of all that it calls. No function calls itself, by others or not."""
    if known.get(id(function)) == CALLING:
        raise _damaged(file, f"the function {function.name!r} calls itself")
    if id(function) not in known:
        known[id(function)] = CALLING
        calls = [library.get((node.domain, node.op_type)) for node in _nodes(function.node)]
        size = sum(1 if called is None else _size(file, called, library, known) for called in calls)
        if size > NODES:
            raise LimitExceeded(
                "nodes",
                f"the function {function.name!r} of {file.name!r} is {size:,} nodes",
                limit=NODES,
                file=file.name,
            )
        known[id(function)] = size
    return known[id(function)]


def _damaged(file: UploadedFile, words: str, line: int | None = None) -> MalformedModel:
    where = f" in line {line}" if line else ""
    return MalformedModel(f"{file.name!r} is no ONNX text of functions{where}: {words}", file=file.name, hint=HINT)

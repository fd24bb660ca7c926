"""Functions of the user's that say in ONNX what layers compute whose code is not in the file.

``custom_ops.onnxtxt``, or any file that ends so, lies beside the model: ONNX's own text, one function a layer type.
None of it is run as code. A function is found by the layer's type, or with the domain ``layer:NAME`` for the layer of
that name alone. It takes the layer's inputs and then its weights, as they are stored; attributes that it names are the
layer's own settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import onnx

from workers.formats.layer import SourceLayer
from workers.hub.functions import spell_out
from workers.hub.graph import GraphBuilder, Value
from workers.inspect.onnx_text import read_functions
from workers.inspect.upload import Upload, UploadedFile

ENDING = ".onnxtxt"
LAYER = "layer:"
HINT = (
    "If you know what a layer computes, say so in ONNX: a file custom_ops.onnxtxt beside the model holds a function "
    "for each such layer type (docs/custom-layers.md)."
)
KINDS = onnx.AttributeProto


@dataclass(frozen=True, slots=True)
class Call:
    """One function, to be called for layers. ``used`` is told its name."""

    function: onnx.FunctionProto
    file: str
    library: Mapping[tuple[str, str], onnx.FunctionProto]
    used: set[tuple[str, str]]

    def __call__(
        self,
        g: GraphBuilder,
        layer: SourceLayer,
        inputs: Sequence[Value],
        weights: Sequence[Value] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> list[Value]:
        """The layer's results. Raises MalformedModel where layer and function do not fit."""
        function = self.function
        self.used.add((function.domain, function.name))
        if len(inputs) + len(weights) != len(function.input):
            raise layer.malformed(
                f"{self.shown} takes {len(function.input)} values ({', '.join(function.input)}); the layer has "
                f"{len(inputs)} inputs and {len(weights)} weights"
            )
        attributes = {a.name: a for a in self._attributes(layer, settings or {})}
        results = spell_out(g, function, [*inputs, *weights], attributes, self.library)
        layer.note("custom-layer", f"{layer.name!r} was read by {self.shown}")
        return [value for value in results if value is not None]

    @property
    def shown(self) -> str:
        return f"the function {self.function.name!r} of {self.file!r}"

    def _attributes(self, layer: SourceLayer, settings: Mapping[str, Any]) -> Iterator[onnx.AttributeProto]:
        wanted = _types(self.function)
        for name in (*self.function.attribute, *(a.name for a in self.function.attribute_proto)):
            if settings.get(name) is None:
                if name in self.function.attribute:
                    known = ", ".join(sorted(map(str, settings))) or "none"
                    raise layer.malformed(
                        f"{self.shown} asks for {name!r}, which is none of its settings ({known}); give it a default"
                    )
                continue
            kind = wanted.get(name)
            if kind is None:
                continue  # nothing in the function looks at it
            try:
                yield onnx.helper.make_attribute(name, _as(kind, settings[name]), attr_type=kind)
            except (TypeError, ValueError, OverflowError):
                words = KINDS.AttributeType.Name(kind).lower()
                raise layer.malformed(
                    f"its setting {name} is {str(settings[name])[:40]!r}; {self.shown} wants it as {words}"
                ) from None


def _types(function: onnx.FunctionProto) -> dict[str, int]:
    """The type of each attribute, as the body uses it or its default says."""
    found = {attribute.name: attribute.type for attribute in function.attribute_proto}
    ahead: list[Any] = [function]
    while ahead:
        for node in ahead.pop().node:
            for attribute in node.attribute:
                if attribute.ref_attr_name:
                    found[attribute.ref_attr_name] = attribute.type
                elif attribute.type == KINDS.GRAPH:
                    ahead.append(attribute.g)
    return found


def _as(kind: int, value: Any) -> Any:
    """A setting as the attribute's type; settings written as text are read: ``0.1``, ``(3, 3)``."""
    one = {int(KINDS.FLOATS): KINDS.FLOAT, int(KINDS.INTS): KINDS.INT, int(KINDS.STRINGS): KINDS.STRING}.get(kind)
    if one is not None:
        if isinstance(value, str):
            value = [item.strip() for item in value.strip(" ()[]").split(",") if item.strip()]
        return [_as(one, item) for item in (value if isinstance(value, list | tuple) else [value])]
    if kind == KINDS.FLOAT:
        return float(value)
    if kind == KINDS.INT:
        if isinstance(value, str):
            return {"true": 1, "false": 0}[value.lower()] if value.lower() in ("true", "false") else int(value)
        if int(value) != value:
            raise ValueError(value)
        return int(value)
    if kind == KINDS.STRING and isinstance(value, str | bytes):
        return value
    raise TypeError(kind)


@dataclass(frozen=True, slots=True)
class CustomOps:
    """The functions of an upload, by domain and name, and the names of the files that hold them.

    ``used`` are those that some layer was read by; ``texts`` the files themselves.
    """

    functions: Mapping[tuple[str, str], onnx.FunctionProto] = field(default_factory=dict)
    files: Mapping[tuple[str, str], str] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)
    texts: tuple[UploadedFile, ...] = ()

    def find(self, type: str, layer: str = "") -> Call | None:
        """The function for a layer of this type and name; one for the very layer comes first."""
        named = (f"{LAYER}{layer}", type)
        keys = [named] if named in self.functions else [key for key in self.functions if self._means(key, type)]
        if not keys:
            return None
        library = {key: function for key, function in self.functions.items() if key[0]}
        return Call(self.functions[keys[0]], self.files[keys[0]], library, self.used)

    @staticmethod
    def _means(key: tuple[str, str], type: str) -> bool:
        domain, name = key
        return name == type and not domain.startswith(LAYER)

    def unused(self) -> list[tuple[str, str]]:
        """Names and files of functions that no layer was read by, those that others call left out."""
        called = {(n.domain, n.op_type) for function in self.functions.values() for n in function.node}
        return [(key[1], self.files[key]) for key in self.functions if key not in self.used and key not in called]


NONE = CustomOps()
_active: ContextVar[CustomOps] = ContextVar("custom_ops", default=NONE)


def active() -> CustomOps:
    """The functions that the model being read may use."""
    return _active.get()


@contextmanager
def use(ops: CustomOps) -> Iterator[None]:
    """Let readers find ``ops``."""
    token = _active.set(ops)
    try:
        yield
    finally:
        _active.reset(token)


def taken_from(upload: Upload) -> tuple[Upload, CustomOps]:
    """The upload without its files of functions, and what they say. Raises MalformedModel naming file and line."""
    texts = [file for file in upload.files if file.name.lower().endswith(ENDING)]
    if not texts:
        return upload, NONE
    functions: dict[tuple[str, str], onnx.FunctionProto] = {}
    files: dict[tuple[str, str], str] = {}
    for file in texts:
        for function in read_functions(file, functions):
            functions[function.domain, function.name] = function
            files[function.domain, function.name] = file.name
    others = tuple(file for file in upload.files if file not in texts)
    return Upload(others, upload.root), CustomOps(functions, files, texts=tuple(texts))

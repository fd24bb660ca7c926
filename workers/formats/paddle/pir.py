"""PIR, the JSON program of Paddle 3 -> plain records in the old operators' words.

Values have numbers (``%``), block arguments negative ones. Vectors of values are taken apart here: ``builtin.combine``
packs, ``builtin.split`` and ``builtin.slice`` unpack, and no operator of the program has to know.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from workers.errors import LimitExceeded, MalformedModel, UnsupportedVersion
from workers.formats.paddle.program import ARRAY, OTHER, TENSOR, WORDS, Block, Operator, Program, Var
from workers.formats.paddle.signatures import signature_of

SIZE, DEPTH, LATEST = 256 << 20, 64, 4
TYPES = {
    "bool": "bool", "i8": "int8", "ui8": "uint8", "i16": "int16", "i32": "int32", "i64": "int64", "f16": "float16",
    "bf16": "bfloat16", "f32": "float32", "f64": "float64", "c64": "complex64", "c128": "complex128",
}  # fmt: skip
DIALECTS = {"0": "builtin", "1": "pd_op", "2": "cf", "3": "custom_op", "4": "dist_op"}
SPECIAL = {"inf": math.inf, "Infinity": math.inf, "-inf": -math.inf, "-Infinity": -math.inf, "nan": math.nan,
           "NaN": math.nan}  # fmt: skip


def read_pir(data: memoryview, file: str) -> Program:
    """Raises MalformedModel for JSON that is no such program, LimitExceeded for one that is too large or too deep."""
    if len(data) > SIZE:
        raise LimitExceeded("size", f"{file!r} has {len(data):,} bytes of JSON", limit=SIZE, file=file)
    try:
        document = json.loads(bytes(data).decode("utf-8-sig"))
    except RecursionError:
        raise LimitExceeded("depth", f"the JSON of {file!r} is nested too deeply", limit=DEPTH, file=file) from None
    except ValueError as error:
        raise MalformedModel(f"{file!r} is not valid JSON: {error}", file=file) from None
    reader = _Reader(file)
    try:
        return reader.program(document)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError) as error:
        raise MalformedModel(
            f"{file!r} is no PIR program as Paddle 3 writes it, near operator {reader.at}: {error!r}", file=file
        ) from None


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.at = 0
        self.vars: dict[str, Var] = {}
        self.vectors: dict[str, list[str]] = {}
        self.names: dict[str, str] = {}
        self.feeds: list[str] = []
        self.fetches: list[tuple[int, str, str]] = []

    def program(self, document: Any) -> Program:
        base = document.get("base_code") or {}
        version = base.get("version", 0)
        if base.get("magic") != "pir" or not isinstance(version, int):
            raise MalformedModel(f"{self.file!r} is not a program of Paddle 3", file=self.file)
        if version > LATEST:
            raise UnsupportedVersion(
                f"{self.file!r} is PIR of version {version}; versions up to {LATEST} are read", file=self.file,
                hint="Export the model with Paddle 3.0 to 3.3.",
            )  # fmt: skip
        (region,) = document["program"]["regions"]
        (block,) = region["blocks"]
        main = self.block(block, 0)
        fetches = [(value, name) for _, value, name in sorted(self.fetches, key=lambda entry: entry[0])]
        return Program([main], self.vars, self.feeds, fetches, f"3.x (PIR {version})", pir=True)

    def block(self, record: Any, depth: int) -> Block:
        if depth > DEPTH:
            raise LimitExceeded("depth", f"{self.file!r} nests regions too deeply", limit=DEPTH, file=self.file)
        found = Block()
        for arg in record.get("args", []):
            name = self.declare(arg["#"], arg.get("TT"))
            found.args.append(name)
        for op in record["ops"]:
            self.at += 1
            made = self.operator(op, depth)
            if made is not None:
                found.ops.append(made)
        return found

    # --- values -----------------------------------------------------------------------------------------------------

    def declare(self, number: Any, type_: Any) -> str:
        """The name of a value, which gets a variable; of a vector also those of its elements."""
        if not isinstance(number, int):
            raise TypeError(f"the value {number!r}")
        name = f"%{number}"
        kind = (type_ or {}).get("#", "")
        if kind == "0.t_vec":
            self.vectors[name] = [f"{name}.{index}" for index in range(len(type_["D"]))]
            for element, inner in zip(self.vectors[name], type_["D"], strict=True):
                self.vars[element] = _var(element, inner)
        else:
            self.vars[name] = _var(name, type_)
        return name

    def value(self, number: Any) -> list[str]:
        name = self.names.get(f"%{number}", f"%{number}")
        return self.vectors.get(name, [name])

    # --- operators ----------------------------------------------------------------------------------------------------

    def operator(self, op: Any, depth: int) -> Operator | None:
        kind = op["#"]
        if kind == "p":
            self.parameter(op)
            return None
        prefix, _, word = kind.partition(".")
        outputs = op.get("O") or []
        numbers = [entry["%"] for entry in op.get("I") or []]
        results = [self.declare(entry["%"], entry.get("TT")) for entry in outputs]
        attrs = {entry["N"]: _attribute(entry["AT"]) for entry in op.get("A") or []}
        if prefix == "0" and word in ("combine", "split", "slice"):
            self.take_apart(word, numbers, results, attrs)
            return None
        if prefix == "1" and word in ("data", "feed", "fetch"):
            self.end(word, numbers, results, attrs, outputs)
            return None
        made = self.translated(DIALECTS.get(prefix, prefix), word, numbers, results, attrs)
        for region in op.get("regions") or []:
            for inner in region["blocks"]:
                made.blocks.append(self.block(inner, depth + 1))
        return made

    def parameter(self, op: Any) -> None:
        """A variable that is stored, if its output says so: ``OA`` is [persistable, stop_gradient, trainable]."""
        name = self.declare(op["O"]["%"], op["O"].get("TT"))
        label = op["A"][3]
        if not isinstance(label, str) or label in self.vars:
            raise ValueError(f"the parameter {label!r}")
        stored = (op.get("OA") or [1])[0]
        var = self.vars.pop(name)
        var.name, var.persistable = label, bool(stored)
        self.vars[label] = var
        self.names[name] = label

    def take_apart(self, word: str, numbers: Sequence[Any], results: Sequence[str], attrs: dict[str, Any]) -> None:
        elements = [name for number in numbers for name in self.value(number)]
        if word == "combine":
            self.vectors[results[0]] = elements
        elif word == "split":
            if len(results) != len(elements):
                raise ValueError("a vector and its parts")
            self.names.update(zip(results, elements, strict=True))
        else:
            self.names[results[0]] = elements[attrs["index"]]

    def end(
        self, word: str, numbers: Sequence[Any], results: Sequence[str], attrs: dict[str, Any], outputs: Sequence[Any]
    ) -> None:
        """An input, which goes by its own name, or an output."""
        if word == "fetch":
            (name,) = self.value(numbers[0])
            self.fetches.append((attrs["col"], name, attrs["name"]))
            return
        label = attrs["name"]
        if not isinstance(label, str) or label in self.vars:
            raise ValueError(f"the input {label!r}")
        var = self.vars.pop(results[0])
        var.name = label
        if "shape" in attrs:
            var.dims = tuple(int(size) for size in attrs["shape"])
        self.vars[label] = var
        self.names[results[0]] = label
        self.feeds.append(label)

    def translated(
        self, dialect: str, word: str, numbers: Sequence[Any], results: Sequence[str], attrs: dict[str, Any]
    ) -> Operator:
        """The operator in the old words; one without a signature keeps its name and numbered slots."""
        shown = f"{dialect}.{word}"
        base = word.rsplit(".", 1)[-1]
        name = f"{base}{results[0]}".replace("%", "_") if results else f"{base}_{self.at}"
        signature = signature_of(word) if dialect == "pd_op" else None
        if signature is None:
            inputs = {f"I{place}": self.value(number) for place, number in enumerate(numbers) if number != 0}
            outputs = {f"O{place}": self.value(result[1:]) for place, result in enumerate(results)}
            return Operator(shown, name, inputs, outputs, attrs, shown=shown)
        if len(numbers) > len(signature.operands) or len(results) > max(len(signature.results), 1) + 8:
            raise ValueError(f"{shown} with {len(numbers)} operands and {len(results)} results")
        inputs = {
            slot: self.value(number) for slot, number in zip(signature.operands, numbers, strict=False) if number != 0
        }
        slots = [*signature.results, *(f"O{place}" for place in range(len(signature.results), len(results)))]
        outputs = {slot: self.value(result[1:]) for slot, result in zip(slots, results, strict=False)}
        old = {signature.attrs[key]: value for key, value in attrs.items() if key in signature.attrs}
        return Operator(signature.type, name, inputs, outputs, {**attrs, **old}, shown=shown, inplace=_inplace(word))


def _inplace(word: str) -> str:
    """The slot of the value that an operator in place overwrites; statistics of normalisation do not count."""
    if not word.endswith("_") or word in ("batch_norm_", "sync_batch_norm_"):
        return ""
    found = signature_of(word)
    if found is None or not found.operands:
        return ""
    return next((slot for slot in ("Output", "Array") if slot in found.operands), found.operands[0])


def _var(name: str, type_: Any) -> Var:
    kind = (type_ or {}).get("#", "")
    if kind not in ("0.t_dtensor", "1.t_dense_tensor_array"):
        return Var(name, OTHER)
    element, dims = type_["D"][:2]
    word = TYPES.get(element["#"].rpartition("t_")[2], "")
    if kind != "0.t_dtensor":
        return Var(name, ARRAY, WORDS.get(word))
    return Var(name, TENSOR, WORDS.get(word), tuple(int(size) for size in dims))


def _attribute(record: Any) -> Any:
    """A value as Python has it; element types as their names."""
    kind, data = record["#"].rpartition("a_")[2], record.get("D")
    if "VD" in record:
        return {"INF": math.inf, "-INF": -math.inf, "NAN": math.nan}[record["VD"].upper()]
    if kind == "array":
        return [_attribute(item) for item in data]
    if kind in ("f32", "f64", "double", "float") and isinstance(data, str):
        return SPECIAL[data]
    if kind == "scalar" and isinstance(data, dict):
        return _attribute(data)
    return SPECIAL.get(data, data) if isinstance(data, str) and kind == "scalar" else data

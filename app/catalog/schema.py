"""Checks a JSON value against a JSON Schema, as far as the announced options use it; all errors with their pointers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from app.problems import FieldError

# bool is an int to Python, and JSON has one kind of number.
TYPES: dict[str, Any] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v),
}
BOUNDS: dict[str, tuple[str, Any]] = {
    "minimum": ("at least", lambda v, b: v >= b),
    "maximum": ("at most", lambda v, b: v <= b),
    "exclusiveMinimum": ("more than", lambda v, b: v > b),
    "exclusiveMaximum": ("less than", lambda v, b: v < b),
}


def errors(
    value: Any, schema: Mapping[str, Any], pointer: str = "", root: Mapping[str, Any] | None = None
) -> list[FieldError]:
    """Empty when ``value`` fits. Keywords: type, enum, const, anyOf, $ref, bounds, lengths, items, properties."""
    root = schema if root is None else root
    if "$ref" in schema:
        return errors(value, root["$defs"][schema["$ref"].rpartition("/")[2]], pointer, root)
    if "anyOf" in schema:
        return _any_of(value, schema["anyOf"], pointer, root)
    if "type" in schema and not TYPES[schema["type"]](value):
        return [FieldError(pointer, f"must be of type {schema['type']}")]
    return list(_inside(value, schema, pointer, root))


def _any_of(value: Any, choices: list[Mapping[str, Any]], pointer: str, root: Mapping[str, Any]) -> list[FieldError]:
    """The errors of the choice that the value came deepest into; of several, all are alternatives to the reader."""
    found = [errors(value, choice, pointer, root) for choice in choices]
    if any(not errors for errors in found):
        return []
    deepest = max(found, key=lambda errors: len(errors[0].pointer))
    if len(deepest[0].pointer) > len(pointer):
        return deepest
    return [FieldError(pointer, ", or ".join(dict.fromkeys(errors[0].detail for errors in found)))]


def _inside(value: Any, schema: Mapping[str, Any], pointer: str, root: Mapping[str, Any]) -> Iterator[FieldError]:
    if "enum" in schema and value not in schema["enum"]:
        yield FieldError(pointer, f"must be one of {', '.join(map(str, schema['enum']))}")
    if "const" in schema and value != schema["const"]:
        yield FieldError(pointer, f"must be {schema['const']}")
    for keyword, (words, holds) in BOUNDS.items():
        if keyword in schema and not holds(value, schema[keyword]):
            yield FieldError(pointer, f"must be {words} {schema[keyword]}")
    if isinstance(value, (str, list)):
        low, high = schema.get("minLength", schema.get("minItems", 0)), schema.get("maxLength", schema.get("maxItems"))
        if len(value) < low or (high is not None and len(value) > high):
            yield FieldError(pointer, f"must have {low} to {high if high is not None else 'any number of'} elements")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from errors(item, schema["items"], f"{pointer}/{index}", root)
    if isinstance(value, dict):
        yield from _members(value, schema, pointer, root)


def _members(
    value: dict[str, Any], schema: Mapping[str, Any], pointer: str, root: Mapping[str, Any]
) -> Iterator[FieldError]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name in schema.get("required", []):
        if name not in value:
            yield FieldError(f"{pointer}/{name}", "is missing")
    for name, member in value.items():
        place = f"{pointer}/{name[:100].replace('~', '~0').replace('/', '~1')}"
        if name in known:
            yield from errors(member, known[name], place, root)
        elif others is False:
            yield FieldError(place, "is no known option")
        elif isinstance(others, dict):
            yield from errors(member, others, place, root)

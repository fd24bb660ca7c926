"""Exported programs of torch 2.1 to 2.6 in the form of the newer ones."""

from __future__ import annotations

from typing import Any

# Arguments that can be given by name only; older files do not say which were.
KEYWORD_ONLY = frozenset({
    "dtype", "layout", "device", "pin_memory", "memory_format", "alpha", "beta", "value", "rounding_mode",
    "approximate", "generator", "correction", "scale", "enable_gqa", "implicit", "right", "side", "out_int32", "stable",
    "out", "driver",
})  # fmt: skip
_KINDS = {"inputs_to_parameters": ("parameter", "parameter_name"), "inputs_to_buffers": ("buffer", "buffer_name"),
          "inputs_to_lifted_tensor_constants": ("tensor_constant", "tensor_constant_name")}  # fmt: skip


def modern(value: Any) -> Any:
    """The JSON with one-key unions: torch 2.1 wrote all members of a union, all but one of them null."""
    if isinstance(value, list):
        return [modern(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) > 1 and all(key.startswith("as_") for key in value):
        given = {key: item for key, item in value.items() if item is not None and key != "as_none"}
        key = next(iter(given), "as_none")
        return {key: modern(given[key])} if given else {"as_none": True}
    return {key: modern(item) for key, item in value.items()}


def signature(graph: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Specifications of inputs and outputs from tables of names."""
    if "input_specs" in old:
        return old
    specs: list[dict[str, Any]] = []
    for entry in graph.get("inputs", []):
        inner = next(iter(entry.values()), None) if isinstance(entry, dict) else None
        name = inner.get("name") if isinstance(inner, dict) else None
        found = None
        for table, (kind, key) in _KINDS.items():
            if name in (old.get(table) or {}):
                found = {kind: {"arg": {"name": name}, key: old[table][name]}}
        specs.append(found or {"user_input": {"arg": entry}})
    return {"input_specs": specs, "output_specs": _outputs(graph, old)}


def _outputs(graph: dict[str, Any], old: dict[str, Any]) -> list[dict[str, Any]]:
    """Mutated buffers come in front of the user's outputs."""
    changed = len(old.get("buffers_to_mutate") or {}) + len(old.get("user_inputs_to_mutate") or {})
    return [
        {"buffer_mutation": {"arg": entry}} if index < changed else {"user_output": {"arg": entry}}
        for index, entry in enumerate(graph.get("outputs", []))
    ]


def graph(old: dict[str, Any]) -> dict[str, Any]:
    """The graph with tensors' descriptions where newer files have them, and how each argument was given."""
    values = old.get("tensor_values")
    if isinstance(values, dict):
        old["tensor_values"] = {
            name: item["meta"] if isinstance(item, dict) and isinstance(item.get("meta"), dict) else item
            for name, item in values.items()
        }
    for node in old.get("nodes") or []:
        named = False
        for entry in node.get("inputs") or []:
            if isinstance(entry, dict) and entry.get("kind") is None:
                named = named or entry.get("name") in KEYWORD_ONLY
                entry["kind"] = 2 if named else 1
    return old

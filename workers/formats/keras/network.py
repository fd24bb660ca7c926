"""A Keras configuration as a net: layers with the calls they are used in, whatever version wrote it.

A Sequential model becomes the same chain of calls that the functional API would have made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workers.errors import MalformedModel
from workers.formats.keras.net import Call, Net, Ref, Spec, refs
from workers.formats.keras.upgrade import upgrade

MODELS = frozenset({"Sequential", "Functional", "Model", "Graph", "Container", "Network"})
WRAPPERS = frozenset({"Wrapper", "TimeDistributed", "Bidirectional", "SpectralNormalization", "WeightNormalization"})
# Calls of layers in one net, those of nested models counted once per call.
CALLS = 200_000
DEPTH = 40


class Parser:
    """Reads records of one file; every complaint names it."""

    def __init__(self, file: str, generation: int, ordering: str = "") -> None:
        """``ordering``: Keras 1's ``dim_ordering``, for layers that do not say theirs."""
        self.file = file
        self.generation = generation
        self.ordering = ordering

    def malformed(self, reason: str, layer: str | None = None) -> MalformedModel:
        return MalformedModel(f"{self.file!r}: {reason}", file=self.file, layer=layer)

    # --- layers -----------------------------------------------------------------------------------------------------

    def spec(self, record: Any, depth: int = 0) -> Spec:
        """One layer's record, with its calls where it stands in a functional model."""
        if not isinstance(record, dict) or not isinstance(record.get("class_name"), str):
            raise self.malformed("a layer is no record with a class_name")
        if depth > DEPTH:
            raise self.malformed(f"its models nest deeper than {DEPTH}")
        type_ = record["class_name"]
        config = record.get("config", {})
        if not isinstance(config, dict | list):
            raise self.malformed(f"the configuration of a layer {type_} is no record")
        inner = config if isinstance(config, dict) else {"layers": config}
        name = record.get("name") or inner.get("name") or type_.lower()
        spec = Spec(
            str(name), type_, type_, dict(inner), self.generation, _word(record.get("module")),
            _word(record.get("registered_name")), _record(record.get("build_config")),
        )  # fmt: skip
        if isinstance(record.get("shared_object_id"), int):
            spec.shared = record["shared_object_id"]
        if _foreign(spec):
            spec.kind = f"{spec.module or 'custom'}>{type_}"
        elif is_model(record):
            spec.net = self.net(record, depth + 1)
            spec.kind = "Functional"
        else:
            if self.ordering:
                spec.config.setdefault("dim_ordering", self.ordering)
            spec.kind, spec.config = upgrade(spec.kind, spec.config, self.generation)
        spec.inner = self.inner(spec, depth)
        if spec.module.startswith(("keras.src.ops", "keras.ops", "keras.src.backend")) or _bare_operation(record, spec):
            spec.kind = f"ops.{type_}"
        nodes = record.get("inbound_nodes", [])
        if not isinstance(nodes, list):
            raise self.malformed(f"the calls of layer {spec.name!r} are no list", spec.name)
        spec.calls = [self.call(node, spec) for node in nodes]
        return spec

    def inner(self, spec: Spec, depth: int) -> dict[str, Spec]:
        """The layers that wrappers and cells keep in their configuration."""
        config = spec.config
        if spec.kind in WRAPPERS and isinstance(config.get("layer"), dict):
            wrapped = self.spec(config["layer"], depth + 1)
            if spec.kind != "Bidirectional":
                return {"layer": wrapped}
            behind = config.get("backward_layer")
            back = self.spec(behind if isinstance(behind, dict) else config["layer"], depth + 1)
            if not isinstance(behind, dict):
                back.config = {**back.config, "go_backwards": not back.config.get("go_backwards", False)}
            return {"forward_layer": wrapped, "backward_layer": back}
        if spec.kind in ("RNN", "ConvRNN2D") and isinstance(config.get("cell"), dict):
            return {"cell": self.spec(config["cell"], depth + 1)}
        if spec.kind == "StackedRNNCells" and isinstance(config.get("cells"), list):
            return {f"cells/{place}": self.spec(cell, depth + 1) for place, cell in enumerate(config["cells"])}
        if spec.kind == "Pipeline" and isinstance(config.get("layers"), list):
            return {f"layers/{place}": self.spec(item, depth + 1) for place, item in enumerate(config["layers"])}
        return {}

    # --- calls ------------------------------------------------------------------------------------------------------

    def call(self, node: Any, spec: Spec) -> Call:
        """``{"args", "kwargs"}`` of Keras 3, or lists of [layer, node, tensor, keywords]."""
        if isinstance(node, dict) and "args" in node:
            args = self.values(node["args"], spec)
            kwargs = self.values(node.get("kwargs") or {}, spec)
            if not isinstance(args, list) or not isinstance(kwargs, dict):
                raise self.malformed(f"a call of layer {spec.name!r} is damaged", spec.name)
            return Call(tuple(args), kwargs)
        return self.old_call(node, spec)

    def old_call(self, node: Any, spec: Spec) -> Call:
        kwargs: dict[str, Any] = {}
        found = self.old_value(node, spec, kwargs)
        if isinstance(found, list) and len(found) == 1 and not isinstance(found[0], list):
            found = found[0]
        return Call((found,), {key: self.old_keyword(value) for key, value in kwargs.items()})

    def old_value(self, item: Any, spec: Spec, kwargs: dict[str, Any]) -> Any:
        """Nested lists and dictionaries of triples; the keywords stand behind the first of them."""
        if _is_triple(item):
            if len(item) > 3 and isinstance(item[3], dict):
                for key, value in item[3].items():
                    kwargs.setdefault(str(key), value)
            if item[0] in ("_CONSTANT_VALUE", "_COMPOSITE_TYPE"):
                return item[2]
            return Ref(item[0], item[1], item[2])
        if isinstance(item, list):
            return [self.old_value(inner, spec, kwargs) for inner in item]
        if isinstance(item, dict):
            return {str(key): self.old_value(inner, spec, kwargs) for key, inner in item.items()}
        raise self.malformed(f"a call of layer {spec.name!r} is {str(item)[:60]!r}", spec.name)

    def old_keyword(self, value: Any) -> Any:
        """A keyword's value: a triple stands for a tensor."""
        if _is_triple(value) and len(value) == 3:
            return value[2] if value[0] in ("_CONSTANT_VALUE",) else Ref(value[0], value[1], value[2])
        if isinstance(value, list):
            return [self.old_keyword(item) for item in value]
        if isinstance(value, dict):
            return {key: self.old_keyword(item) for key, item in value.items()}
        return value

    def values(self, item: Any, spec: Spec, depth: int = 0) -> Any:
        """Keras 3's serialised arguments, tensors as ``Ref``."""
        if isinstance(item, list):
            return [self.values(inner, spec, depth + 1) for inner in item]
        if not isinstance(item, dict):
            return item
        kind, config = item.get("class_name"), item.get("config")
        if kind == "__keras_tensor__":
            history = config.get("keras_history") if isinstance(config, dict) else None
            if history is None or not _is_triple(history):
                raise self.malformed(f"a call of layer {spec.name!r} names no tensor", spec.name)
            return Ref(*history[:3])
        if kind == "__tuple__" and isinstance(item.get("items"), list):
            return [self.values(inner, spec, depth + 1) for inner in item["items"]]
        if kind == "__tuple__" and isinstance(config, list):
            return [self.values(inner, spec, depth + 1) for inner in config]
        return {str(key): self.values(inner, spec, depth + 1) for key, inner in item.items()}

    # --- models -----------------------------------------------------------------------------------------------------

    def net(self, record: Mapping[str, Any], depth: int = 0) -> Net:
        """A model's record as a net."""
        config = record.get("config")
        if record.get("class_name") == "Sequential" or isinstance(config, list):
            return self.sequential(record, depth)
        if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
            raise self.malformed("a model has no list of layers")
        layers = [self.spec(item, depth) for item in config["layers"]]
        name = str(config.get("name") or record.get("name") or "model")
        heads, tails = (self.ends(config.get(key), nested=depth > 0) for key in ("input_layers", "output_layers"))
        net = Net(name, layers, heads, tails)
        if any(isinstance(node, dict) for item in config["layers"] for node in item.get("inbound_nodes") or []):
            net.outputs = _from_zero(net)
        self.check(net)
        if isinstance(config.get("output_layers"), dict):
            net.labels = [label for key, item in config["output_layers"].items() for label in self.labels(key, item)]
        return net

    def labels(self, key: str, item: Any) -> list[str]:
        """A dictionary's key for its tensor, numbered where it has several."""
        count = len(self.ends(item))
        return [str(key)] if count == 1 else [f"{key}_{place}" for place in range(count)]

    def ends(self, item: Any, *, nested: bool = False) -> list[Ref]:
        """Inputs or outputs: one triple, or lists and dictionaries of them in any nesting.

        The tensors of a nested model are numbered with the keys of its dictionaries sorted.
        """
        if _is_triple(item):
            return [Ref(item[0], item[1], item[2])]
        if isinstance(item, dict):
            item = [item[key] for key in (sorted(item) if nested else item)]
        if not isinstance(item, list):
            raise self.malformed("a model's inputs or outputs are no list of tensors")
        return [ref for inner in item for ref in self.ends(inner, nested=nested)]

    def check(self, net: Net) -> None:
        """Names once each, references that lead to calls."""
        names = net.by_name
        if len(names) != len(net.layers):
            raise self.malformed(f"two layers of the model {net.name!r} have the same name")
        found = [*net.inputs, *net.outputs, *(ref for spec in net.layers for ref in refs(spec.calls))]
        for ref in found:
            spec = names.get(ref.layer)
            if spec is not None and spec.net is not None and spec.calls and ref.node == len(spec.calls):
                spec.first = 1
        for ref in found:
            spec = names.get(ref.layer)
            calls = 0 if spec is None else max(len(spec.calls), int(not spec.calls))
            if spec is None or not 0 <= ref.node - spec.first < calls or ref.tensor < 0:
                raise self.malformed(f"the tensor {ref.layer!r}, call {ref.node}, does not exist", ref.layer)

    def sequential(self, record: Mapping[str, Any], depth: int) -> Net:
        """A chain; where no InputLayer says so, the first layer tells the shape of the input."""
        config = record.get("config")
        items = config.get("layers") if isinstance(config, dict) else config
        if not isinstance(items, list) or not items:
            raise self.malformed("a Sequential model has no layers")
        holder = config if isinstance(config, dict) else {}
        name = str(holder.get("name") or record.get("name") or "sequential")
        layers = [self.spec(item, depth) for item in items]
        inputs, layers, last = self.start(layers, holder, depth)
        for spec in layers:
            if spec.kind == "InputLayer" or spec.calls:
                continue
            spec.calls = [Call((last[0] if len(last) == 1 else last,), {})]
            last = [Ref(spec.name, 0, 0)]
        net = Net(name, [*inputs, *layers], [Ref(spec.name, 0, 0) for spec in inputs], last, sequential=True)
        if not net.inputs:
            net.inputs = [Ref(layers[0].name, 0, 0)]
        self.check(net)
        return net

    def start(self, layers: list[Spec], config: Mapping[str, Any], depth: int) -> tuple[list[Spec], list[Spec], Any]:
        """Input layers made here, the layers behind them, and the tensors that the first of these takes."""
        first = layers[0]
        if first.kind == "InputLayer":
            return [], layers, [Ref(first.name, 0, 0)]
        if first.kind == "Merge" and isinstance(first.config.get("layers"), list):
            return self.branches(first, layers, depth)
        made = Spec(_input_name(first), "InputLayer", "InputLayer", _input_config(first, config), self.generation)
        return [made], layers, [Ref(made.name, 0, 0)]

    def branches(self, merge: Spec, layers: list[Spec], depth: int) -> tuple[list[Spec], list[Spec], Any]:
        """Keras 1: a Merge in front joins models that stand in its own configuration."""
        inputs: list[Spec] = []
        joined: list[Spec] = []
        ends: list[Ref] = []
        for item in merge.config["layers"]:
            branch = self.spec(item, depth + 1)
            branch.name = _free(branch.name, [*inputs, *joined, *layers])
            heads, _, _last = self.start([branch], {}, depth)
            for head in heads:
                head.name = _free(head.name, [*inputs, *joined, *layers])
            branch.calls = [Call(([Ref(head.name, 0, 0) for head in heads] if len(heads) > 1 else
                                  Ref(heads[0].name, 0, 0),), {})]  # fmt: skip
            inputs += heads
            joined.append(branch)
            ends.append(Ref(branch.name, 0, 0))
        return inputs, [*joined, *layers], ends


# --- shapes of the records ------------------------------------------------------------------------------------------


def is_model(record: Mapping[str, Any]) -> bool:
    """Whether a record is a model of Keras' own, built of layers; a subclass of the user's is not."""
    config = record.get("config")
    if record.get("class_name") == "Sequential":
        return isinstance(config, list) or (isinstance(config, dict) and isinstance(config.get("layers"), list))
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        return False
    return record.get("class_name") in MODELS or {"input_layers", "output_layers"} <= config.keys()


_OWN = re.compile(r"^(?:keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(?:\.|$)")


def _foreign(spec: Spec) -> bool:
    """Whether a class is the user's or another package's, whatever it is called."""
    return bool(spec.module and not _OWN.match(spec.module)) or (">" in spec.registered and not spec.module)


# Layers of Keras 3 whose configuration does not say whether they are trained.
_TERSE = frozenset({
    "InputLayer", "Pipeline", "Discretization", "HashedCrossing", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D",
})  # fmt: skip


def _bare_operation(record: Mapping[str, Any], spec: Spec) -> bool:
    """Keras 3 names no modules in HDF5 files; unlike layers, operations do not say whether they are trained there."""
    if spec.generation < 3 or spec.module or spec.net is not None or spec.type in _TERSE:
        return False
    nodes = record.get("inbound_nodes")
    keyed = isinstance(nodes, list) and any(isinstance(node, dict) for node in nodes)
    return keyed and "trainable" not in spec.config


def _from_zero(net: Net) -> list[Ref]:
    """Keras 3 counts the calls of a nested functional model from 0 in arguments, from 1 in the list of outputs."""
    names = net.by_name
    nested = {ref.layer for ref in net.outputs if ref.layer in names and names[ref.layer].net is not None}
    one = {name for name in nested if (inner := names[name].net) is not None and not inner.sequential}
    one -= {ref.layer for ref in net.outputs if not ref.node}
    return [Ref(ref.layer, ref.node - 1, ref.tensor) if ref.layer in one else ref for ref in net.outputs]


def _is_triple(item: Any) -> bool:
    return (
        isinstance(item, list)
        and len(item) >= 3
        and isinstance(item[0], str)
        and all(isinstance(number, int) and not isinstance(number, bool) for number in item[1:2])
        and (item[0] in ("_CONSTANT_VALUE", "_COMPOSITE_TYPE") or isinstance(item[2], int))
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _free(name: str, taken: list[Spec]) -> str:
    names, count, found = {spec.name for spec in taken}, 1, name
    while found in names:
        count += 1
        found = f"{name}_{count}"
    return found


def _input_name(first: Spec) -> str:
    """Keras 1 counts inputs by class (``dense_input_1``), later ones add to the layer's name."""
    if first.generation == 1:
        return f"{first.type.lower()}_input_1"
    return f"{first.name}_input"


def _input_config(first: Spec, config: Mapping[str, Any]) -> dict[str, Any]:
    """Shape and element type that an input in front of ``first`` has, as far as the records tell."""
    shape = None
    for holder in (first.config, config, first.build):
        for key in ("batch_input_shape", "batch_shape", "build_input_shape", "input_shape"):
            if shape is None and isinstance(holder.get(key), list):
                shape = holder[key]
    if first.net is not None and first.net.inputs:
        inner = first.net.by_name[first.net.inputs[0].layer].config
        shape = shape or inner.get("batch_shape") or inner.get("batch_input_shape")
    if shape is None and isinstance(first.config.get("input_dim"), int) and first.kind == "Dense":
        shape = [None, first.config["input_dim"]]
    dtype = first.config.get("input_dtype") or ("int32" if first.kind == "Embedding" else None)
    return {"batch_shape": shape, "dtype": dtype or "float32", "name": _input_name(first)}

"""One pass over a net: every call through its reading function, nested models call by call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Signature, signature
from typing import Any

import onnx

from workers.errors import LimitExceeded, MalformedModel, Unsupported, UnsupportedLayer, UnsupportedOperators
from workers.formats.contract import Progress
from workers.formats.free_axes import FreeAxis
from workers.formats.keras.net import Call, Net, Ref, Spec, refs
from workers.formats.keras.network import CALLS
from workers.formats.keras.read.inputs import Input
from workers.formats.keras.read.layer import Layer, Result, Rule, Scope, reads
from workers.formats.keras.read.masks import passes
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.keras.slots import ATTENTIONS
from workers.formats.keras.weights import Stock
from workers.formats.layer import FLOATS, cast
from workers.hub.graph import GraphBuilder

_SIGNATURES: dict[Rule, Signature] = {}
Key = tuple[str, int]


@dataclass(slots=True)
class Pass:
    """The state of one pass: the graph, what could not be read, and how many calls were made."""

    g: GraphBuilder
    scope: Scope
    progress: Progress
    total: int
    done: int = 0
    refused: list[Unsupported] = field(default_factory=list)


def run(net: Net, stock: Stock, inputs: Sequence[Input], scope: Scope, progress: Progress) -> tuple[Pass, list[Tensor]]:
    """The graph of a net and its outputs. Raises UnsupportedOperators with every layer that cannot be read."""
    state = Pass(GraphBuilder("keras"), scope, progress, count(net))
    scope.call = lambda g, layer, key, args, kwargs: _inner(state, g, layer, key, args, kwargs)
    given = {}
    for item in inputs:
        given[item.ref.layer, item.ref.tensor] = plain(state.g.input(item.name, item.shape, item.dtype))
    found = walk(state, net, stock, given, "")
    if state.refused:
        raise UnsupportedOperators("keras", list(dict.fromkeys(state.refused)))
    outputs = [found.get((ref.layer, ref.node, ref.tensor)) for ref in net.outputs]
    missing = [ref for ref, tensor in zip(net.outputs, outputs, strict=True) if tensor is None]
    if missing:
        raise MalformedModel(f"the output {missing[0].layer!r} depends on nothing", file=scope.file)
    return state, [tensor for tensor in outputs if tensor is not None]


def count(net: Net) -> int:
    """Calls in a net with its nested models."""
    total = 0
    for spec in net.layers:
        once = 1 if spec.net is None else count(spec.net)
        total += once * len(spec.calls)
        if total > CALLS:
            raise LimitExceeded("nodes", f"the model calls more than {CALLS:,} layers", limit=CALLS)
    return total


Values = dict[tuple[str, int, int], Tensor]


def walk(state: Pass, net: Net, stock: Stock, given: Mapping[Key, Tensor], path: str) -> Values:
    """Results of all calls of a net whose inputs are ``given`` by layer and tensor."""
    values: Values = {(name, 0, tensor): value for (name, tensor), value in given.items()}
    for spec, number in order(net, state.scope.file):
        call = spec.calls[number]
        needed = list(refs([call.args, call.kwargs]))
        present = all((ref.layer, ref.node, ref.tensor) in values for ref in needed)
        name = f"{path}{spec.name}"
        if spec.net is None:
            state.progress(state.done, state.total, f"{name} ({spec.type})")
            state.done += 1
        if not present:
            _look(state, spec, name)
            continue
        own = stock.inner.get(spec.name, Stock())
        results = _call(state, spec, own, call, values, name)
        for index, tensor in enumerate(results):
            values[spec.name, number + spec.first, index] = tensor
    return values


def order(net: Net, file: str) -> list[tuple[Spec, int]]:
    """Calls in an order in which every one stands behind what it needs; the file's order where it can be kept."""
    found = _behind(net, file, [(root, start) for root in net.layers for start in range(len(root.calls))])
    if any(spec.kind in ATTENTIONS and spec.generation > 2 for spec, _ in found):
        return _by_depth(net, found, file)
    return found


def _by_depth(net: Net, calls: list[tuple[Spec, int]], file: str) -> list[tuple[Spec, int]]:
    """As Keras 3 runs them: farthest from the outputs first, and of those the one that was found last on the way back
    from the outputs. It matters where attention takes the masks off its inputs."""
    names = net.by_name
    depths: dict[tuple[str, int], int] = {}
    for spec, number in reversed(calls):
        depth = depths.setdefault((spec.name, number), 0)
        for ref in refs([spec.calls[number].args, spec.calls[number].kwargs]):
            key = (ref.layer, ref.node - names[ref.layer].first)
            depths[key] = max(depths.get(key, 0), depth + 1)
    roots = [(names[ref.layer], ref.node - names[ref.layer].first) for ref in net.outputs if names[ref.layer].calls]
    found = [(spec.name, number) for spec, number in _behind(net, file, [*roots, *calls])]
    places = {key: place for place, key in enumerate(found)}
    keys = {(spec.name, number): (-depths[spec.name, number], -places[spec.name, number]) for spec, number in calls}
    return sorted(calls, key=lambda call: keys[call[0].name, call[1]])


def _behind(net: Net, file: str, roots: Sequence[tuple[Spec, int]]) -> list[tuple[Spec, int]]:
    """The calls and all that they need, each behind what it needs."""
    names = net.by_name
    done: set[tuple[str, int]] = set()
    found: list[tuple[Spec, int]] = []
    for root, start in roots:
        stack = [(root, start, False)]
        active: set[tuple[str, int]] = set()
        while stack:
            spec, number, ready = stack.pop()
            key = (spec.name, number)
            if key in done:
                continue
            if ready:
                done.add(key)
                active.discard(key)
                found.append((spec, number))
                continue
            if key in active:
                raise MalformedModel(
                    f"{file!r}: the layer {spec.name!r} needs its own result", file=file, layer=spec.name
                )
            active.add(key)
            stack.append((spec, number, True))
            for ref in reversed(list(refs([spec.calls[number].args, spec.calls[number].kwargs]))):
                below = names[ref.layer]
                if below.calls and (below.name, ref.node - below.first) not in done:
                    stack.append((below, ref.node - below.first, False))
    return found


# --- one call --------------------------------------------------------------------------------------------------------


def _look(state: Pass, spec: Spec, path: str) -> None:
    """A layer below one that could not be read: only its type is looked at."""
    if spec.net is not None:
        for inner in spec.net.layers:
            if inner.calls:
                _look(state, inner, f"{path}/{inner.name}")
    elif find(spec, path) is None:
        state.refused.append(Unsupported(path, spec.type, why_not(spec)))


def find(spec: Spec, path: str) -> Rule | None:
    """The layer's rule; a function of the user's goes by the name of the class, without that of its package."""
    return reads.of_user(spec.type.rpartition(">")[2], path) or reads.find(spec.kind, path)


def why_not(spec: Spec) -> str:
    """The reason for a layer that has no reading rule; a class of the user's is named as such."""
    if spec.kind in reads.refused:
        return reads.refused[spec.kind]
    if spec.kind.startswith("ops."):
        return f"it is keras.ops' {spec.type}, which onnxhub does not read"
    if spec.registered and spec.registered not in (spec.type, "Functional"):
        return f"it is a class of its own ({spec.registered}) whose code is not in the file, and none is run"
    return "it is no layer of Keras' own that onnxhub knows; code of other classes is not in the file, and none is run"


def _call(state: Pass, spec: Spec, stock: Stock, call: Call, values: Values, path: str) -> list[Tensor]:
    args = [filled(item, values) for item in call.args]
    kwargs = {key: filled(item, values) for key, item in call.kwargs.items()}
    if spec.net is not None:
        return nested(state, spec.net, stock, args, path)
    layer = Layer(spec, stock, state.scope, path, args, kwargs)
    try:
        with state.g.layer(path, spec.type):
            start = len(state.g.made)
            results = listed(apply(state, state.g, layer, args))
            _rename(state, results, path, start)
            return results
    except UnsupportedLayer as error:
        state.refused.append(error.item)
    except UnsupportedOperators as error:
        state.refused.extend(error.items)
    return []


def _rename(state: Pass, results: Sequence[Tensor], path: str, start: int) -> None:
    made = {id(value) for node in state.g.made[start:] for value in node.outputs}
    for index, tensor in enumerate(results):
        if id(tensor.value) in made:
            state.g.rename(tensor.value, path if not index else f"{path}:{index}")


def apply(state: Pass, g: GraphBuilder, layer: Layer, args: Sequence[Any]) -> Result:
    """A layer's rule on its first argument, which may be a list of tensors."""
    rule = find(layer.spec, layer.name)
    if rule is None:
        raise layer.unsupported(why_not(layer.spec))
    operation = layer.kind.startswith(("ops.", "TFOpLambda", "SlicingOpLambda"))
    if not args and not operation:
        args = _by_keyword(layer)
    first = args[0] if args else []
    xs = list(tensors(first)) if not operation else []
    if not xs and not operation:
        raise layer.malformed("nothing flows into it")
    xs = [autocast(g, layer, x) for x in xs]
    form = _SIGNATURES.setdefault(rule, signature(rule))
    try:
        form.bind(g, layer, *xs)
    except TypeError:
        raise layer.malformed(f"it has {len(xs)} inputs where the type takes {len(form.parameters) - 2}") from None
    try:
        result = rule(g, layer, *xs)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise layer.malformed(f"its inputs do not fit it: {_plain(error)}") from error
    except ValueError as error:
        if "rank of" not in str(error):
            raise
        raise FreeAxis(layer.name, layer.type, "it needs the rank of its input, which depends on the data") from error
    if isinstance(result, Tensor) and layer.kind in passes and xs and result.mask is None:
        result.mask = xs[0].mask
    return result


def _by_keyword(layer: Layer) -> list[Any]:
    """The first argument of a call by keywords alone, ``layer(query=q, value=v)``."""
    for name in ("inputs", "query", "sequences", "sequence", "x"):
        if name in layer.kwargs:
            layer.args = [layer.kwargs.pop(name)]
            return list(layer.args)
    return []


def autocast(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Layers cast floating inputs to the type that they compute in."""
    dtype = x.value.dtype
    want = layer.compute
    if dtype in FLOATS and want != dtype and layer.has("dtype"):
        return x.like(cast(g, x.value, want))
    return x


def _plain(error: Exception) -> str:
    """The inference error without the node dump in front of it."""
    return str(error).strip().splitlines()[-1][:300]


def nested(state: Pass, net: Net, stock: Stock, args: Sequence[Any], path: str) -> list[Tensor]:
    """A model inside another: its layers, with the outer tensors as its inputs."""
    xs = list(tensors(_sorted(args[0] if args else [])))
    if len(xs) != len(net.inputs):
        raise MalformedModel(
            f"the model {path!r} has {len(net.inputs)} inputs and is given {len(xs)}", file=state.scope.file, layer=path
        )
    given = {(ref.layer, ref.tensor): x for ref, x in zip(net.inputs, xs, strict=True)}
    values = walk(state, net, stock, given, f"{path}/")
    found = [values.get((ref.layer, ref.node, ref.tensor)) for ref in net.outputs]
    return [] if any(tensor is None for tensor in found) else [tensor for tensor in found if tensor is not None]


def _sorted(item: Any) -> Any:
    """Dictionaries by their keys, as Keras flattens them."""
    if isinstance(item, dict):
        return {key: _sorted(item[key]) for key in sorted(item)}
    return [_sorted(inner) for inner in item] if isinstance(item, list) else item


def _inner(state: Pass, g: GraphBuilder, layer: Layer, key: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Result:
    """A layer that stands in another one's configuration."""
    spec = layer.spec.inner.get(key)
    if spec is None:
        raise layer.malformed(f"its inner layer {key!r} is missing")
    stock = layer.stock.inner.get(key, Stock())
    path = f"{layer.name}/{spec.name}"
    if spec.net is not None:
        found = nested(state, spec.net, stock, args, path)
        if not found:
            raise layer.unsupported(f"its inner model {spec.name!r} cannot be read")
        return found[0] if len(found) == 1 else found
    return apply(state, g, Layer(spec, stock, state.scope, path, list(args), kwargs), args)


# --- arguments -------------------------------------------------------------------------------------------------------


def filled(item: Any, values: Values) -> Any:
    """Arguments with tensors where references stood."""
    if isinstance(item, Ref):
        return values[item.layer, item.node, item.tensor]
    if isinstance(item, list):
        return [filled(inner, values) for inner in item]
    if isinstance(item, dict):
        return {key: filled(inner, values) for key, inner in item.items()}
    return item


def tensors(item: Any) -> list[Tensor]:
    """All tensors in nested arguments."""
    if isinstance(item, Tensor):
        return [item]
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, list | tuple):
        return [tensor for inner in item for tensor in tensors(inner)]
    return []


def listed(result: Result) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)

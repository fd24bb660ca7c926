"""Cut points: the tensors that the user wants in and out; everything that they do not need goes."""

from __future__ import annotations

import difflib

import onnx_ir as ir

from workers.errors import InvalidOptions
from workers.hub.normalise.change import changed
from workers.hub.normalise.dead import prune
from workers.hub.provenance import LAYER
from workers.options import Options
from workers.report.schema import Change


def cut_graph(model: ir.Model, options: Options) -> list[Change]:
    """Make ``options.outputs`` the outputs and ``options.inputs`` the inputs, in the user's order, and prune.

    A name is a tensor's, or a source layer's (then its first output). Raises InvalidOptions for unknown names, for
    inputs of unknown element type, and when the outputs need inputs that were not named.
    """
    changes: list[Change] = []
    graph = model.graph
    if options.outputs:
        wanted = [_find(graph, name, "outputs") for name in options.outputs]
        if wanted != list(graph.outputs):
            graph.outputs.clear()
            graph.outputs.extend(dict.fromkeys(wanted))
            changes += changed("cut-outputs", "Only these outputs were kept, as the options ask.", options.outputs)
    if options.inputs:
        changes += _cut_inputs(graph, options.inputs)
    if options.outputs or options.inputs:
        pruned = prune(model)
        changes += changed("prune", "Nodes that the wanted outputs do not need were removed.", pruned)
        _settle_inputs(graph, options.inputs)
    return changes


def _cut_inputs(graph: ir.Graph, names: list[str]) -> list[Change]:
    """Computed tensors become graph inputs of the same name."""
    cut = []
    for name in names:
        value = _find(graph, name, "inputs")
        if value.is_graph_input():
            continue
        if value.type is None:
            raise InvalidOptions(f"the element type of {name!r} is unknown, so it cannot become an input")
        fresh = ir.Value(name=value.name, type=value.type, shape=value.shape)
        value.name = f"{value.name}_cut"
        value.replace_all_uses_with(fresh, replace_graph_outputs=True)
        if value.is_initializer():
            graph.initializers.pop(name)
        graph.inputs.append(fresh)
        cut.append(name)
    return changed("cut-inputs", "These tensors became inputs, as the options ask.", cut)


def _settle_inputs(graph: ir.Graph, names: list[str]) -> None:
    """Unneeded inputs go; with cut points given, what stays must be among them, in their order."""
    needed = [value for value in graph.inputs if value.uses() or value.is_graph_output()]
    if names:
        order = {name: index for index, name in enumerate(names)}
        missing = [value.name for value in needed if value.name not in order and value.const_value is None]
        if missing:
            raise InvalidOptions(
                f"the outputs also need the inputs {', '.join(map(repr, missing))}",
                hint="Name them among the inputs too, or cut elsewhere.",
            )
        needed.sort(key=lambda value: order.get(value.name or "", len(order)))
    graph.inputs.clear()
    graph.inputs.extend(needed)


def _find(graph: ir.Graph, name: str, option: str) -> ir.Value:
    """A tensor by its name, or the first output of the last node of the source layer ``name``."""
    values = {value.name: value for value in graph.inputs} | dict(graph.initializers)
    layers: dict[str, ir.Value] = {}
    for node in graph:
        values.update((value.name, value) for value in node.outputs if value.name)
        layers[node.metadata_props.get(LAYER, "")] = node.outputs[0]
    found = values.get(name) or layers.get(name)
    if found is None:
        known = [known for known in (*values, *layers) if known]
        close = difflib.get_close_matches(name, known, 3)
        raise InvalidOptions(
            f"{option} names {name!r}, and the model has no such tensor or layer",
            hint=f"Did you mean {', '.join(close)}?" if close else None,
        )
    return found

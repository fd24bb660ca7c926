"""nngraph's gModule: nodes in order, wired by tables that stand for each other."""

from __future__ import annotations

from workers.formats.torch7.objects import Object, Table
from workers.formats.torch7.read.layer import Layer, flows
from workers.formats.torch7.read.memory import Data, is_missing
from workers.formats.torch7.read.network import Run


def data_of(layer: Layer, node: object) -> Table:
    """A node's data table, which is its identity."""
    found = node.get("data") if isinstance(node, Object) else None
    if not isinstance(found, Table):
        raise layer.malformed("one of its nodes has no data")
    return found


def producers(data: Table) -> list[Table]:
    """The data tables of the nodes whose values this one takes, in order."""
    index = data.get("mapindex")
    return [item for item in index.items() if isinstance(item, Table)] if isinstance(index, Table) else []


def name_of(layer: Layer, data: Table, number: int) -> str:
    """The node's annotation, else its module's name, else its place."""
    notes = data.get("annotations")
    named = notes.get("name") if isinstance(notes, Table) else None
    module = data.get("module")
    own = module.text("name") if isinstance(module, Object) else ""
    return f"{layer.name}.{named if isinstance(named, str) and named else own or number}"


@flows("nn.gModule")
def g_module(run: Run, layer: Layer, data: Data) -> Data:
    """Every node takes what its producers gave: one value bare, several as a table; one that selects takes element k.

    The input node gives the input; the output node's inputs are the result.
    """
    nodes = layer.get("forwardnodes")
    ordered = [data_of(layer, node) for node in nodes.items()] if isinstance(nodes, Table) else []
    first, last = data_of(layer, layer.get("innode")), data_of(layer, layer.get("outnode"))
    names = [name_of(layer, node, number) for number, node in enumerate(ordered, 1)]
    values: dict[int, Data] = {id(first): data}
    for node, name in zip(ordered, run.watch(names), strict=True):
        if node is first:
            module = node.get("module")
            values[id(node)] = run.module(module, data, name) if isinstance(module, Object) else data
        elif node is not last or isinstance(node.get("module"), Object):
            values[id(node)] = _value(run, layer, node, values, name)
    if id(last) in values and last is not first:
        return values[id(last)]
    return _taken(layer, last, values)


def _taken(layer: Layer, node: Table, values: dict[int, Data]) -> Data:
    """What flows into a node."""
    inputs = []
    for producer in producers(node):
        if id(producer) not in values:
            raise layer.malformed("a node takes what no node before it gives")
        inputs.append(values[id(producer)])
    if not inputs:
        raise layer.malformed("a node has no inputs")
    return inputs[0] if len(inputs) == 1 else inputs


def _value(run: Run, layer: Layer, node: Table, values: dict[int, Data], name: str) -> Data:
    data = _taken(layer, node, values)
    select = node.get("selectindex")
    if select is not None:
        if is_missing(data) and not isinstance(data, list):
            return data
        if not isinstance(data, list) or not isinstance(select, int) or not 0 < select <= len(data):
            which = select if isinstance(select, int) else "that is no number"
            raise layer.malformed(f"a node selects an element, {which}, of something without it")
        data = data[select - 1]
    module = node.get("module")
    return run.module(module, data, name) if isinstance(module, Object) else data


def input_count(module: Object) -> int:
    """How many tensors a graph takes; 1 means the input itself."""
    count = module.get("nInputs")
    if isinstance(count, int) and 0 < count <= 1024:
        return count
    node = module.get("innode")
    children = node.get("children") if isinstance(node, Object) else None
    return max(len(children.items()), 1) if isinstance(children, Table) else 1

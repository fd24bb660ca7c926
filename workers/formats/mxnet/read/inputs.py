"""Which shape every graph input gets, as far as it is known before reading, and which of its axes stay free."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import onnx_ir as ir

from workers.errors import InvalidOptions
from workers.formats.mxnet import attributes
from workers.formats.mxnet.assemble import Assembled
from workers.formats.mxnet.net import Net
from workers.formats.mxnet.read.layer import DTYPES, F32
from workers.formats.mxnet.slots import RECURRENT, REGIONS, SEQUENCES, TIME_FIRST
from workers.formats.mxnet.symbol import Node
from workers.hub.node import Dim
from workers.options import Options

# By input name; an input whose shape only reading can tell is not in it.
Shapes = dict[str, list[Dim]]
_CONVOLUTIONS = ("Convolution", "_npx_convolution", "Convolution_v1")
_DENSE = ("FullyConnected", "_npx_fully_connected")
_TURNS = ("SwapAxis", "swapaxes", "_npi_swapaxes")


def shapes(net: Net, source: Assembled, options: Options) -> Shapes:
    """Shapes as the user gives them, as the symbol says (``__shape__``), or as a dense layer's weight tells.

    Raises InvalidOptions for shapes of inputs that do not exist.
    """
    variables = {node.name for node in source.symbol.nodes if node.is_variable}
    unknown = sorted(set(options.input_shapes) - variables - set(net.cuts.values()))
    if unknown:
        raise InvalidOptions(
            f"the option 'input_shapes' names {', '.join(map(repr, unknown))}, which is no input of the model",
            hint=f"Inputs: {', '.join(net.input_names)}.",
        )
    found: Shapes = {}
    for name in net.cuts.values():
        if name in options.input_shapes:
            found[name] = _named(name, options.input_shapes[name])
    for index in net.inputs:
        node = source.symbol.nodes[index]
        shape = options.input_shapes.get(node.name) or _declared(node, source) or _dense(net, source, index, options)
        if shape is not None:
            found[node.name] = _named(node.name, shape)
    return found


def _named(name: str, shape: list[Dim]) -> list[Dim]:
    """Every free axis under a name; the first axis of all inputs is the batch."""
    return [("batch" if axis == 0 else f"{name}_{axis}") if size is None else size for axis, size in enumerate(shape)]


def _declared(node: Node, source: Assembled) -> list[Dim] | None:
    """``__shape__`` of a variable, when it leaves nothing open."""
    text = node.attrs.get("__shape__")
    if text is None:
        return None
    try:
        sizes = attributes.items(text, attributes.integer)
    except ValueError:
        return None
    whole = [size for size in sizes if size is not None and size > (-1 if source.symbol.np_shape else 0)]
    return [*whole] if sizes and len(whole) == len(sizes) else None


def _dense(net: Net, source: Assembled, index: int, options: Options) -> list[Dim] | None:
    """[batch, features] of an input that a flattening dense layer takes."""
    for node, params in _consumers(net, source, index, _DENSE):
        flattens = node.attrs.get("flatten", "True").strip().lower() in ("true", "1")
        if flattens and len(params) == 2:
            return [None if options.dynamic_batch else 1, params[1]]
    return None


def _consumers(net: Net, source: Assembled, index: int, ops: tuple[str, ...]) -> Iterator[tuple[Node, tuple[int, ...]]]:
    """The layers of these types whose data is the input, with the shape of their weight."""
    nodes = source.symbol.nodes
    for place in net.order:
        node = nodes[place]
        if node.op in ops and len(node.inputs) > 1 and node.inputs[0] == (index, 0):
            weight = source.params.get(nodes[node.inputs[1][0]].name)
            if weight is not None:
                yield node, weight.shape


def missing_shapes(net: Net, source: Assembled, names: list[str]) -> InvalidOptions:
    """The error for inputs whose shape stands nowhere and cannot be told, with what is known."""
    example = "1,3,224,224"
    for index in net.inputs:
        if source.symbol.nodes[index].name == names[0]:
            example = _example(net, source, index) or example
    subject = "the shape of input" if len(names) == 1 else "the shapes of inputs"
    stands = "stands" if len(names) == 1 else "stand"
    return InvalidOptions(
        f"{subject} {', '.join(map(repr, names))} {stands} in no file: MXNet saves none", input=names[0],
        hint=f"Give it in the option 'input_shapes', e.g. {names[0]}={example}.",
    )  # fmt: skip


def _example(net: Net, source: Assembled, index: int) -> str | None:
    """A shape with the channels that the first convolution takes."""
    for node, weight in _consumers(net, source, index, _CONVOLUTIONS):
        layout = node.attrs.get("layout", "None").strip()
        groups = node.attrs.get("num_group", "1").strip()
        if len(weight) > 2 and layout in ("None", "NCW", "NCHW", "NCDHW") and groups.isdecimal():
            return ",".join(["1", str(weight[1] * int(groups)), *["?"] * (len(weight) - 2)])
    return None


def dtypes(net: Net, source: Assembled, options: Options) -> dict[str, ir.DataType]:
    """Element types by input name: the user's, else the symbol's ``__dtype__``, else float32."""
    unknown = sorted(set(options.input_dtypes) - {n.name for n in source.symbol.nodes} - set(net.cuts.values()))
    if unknown:
        raise InvalidOptions(f"the option 'input_dtypes' names {', '.join(map(repr, unknown))}, which is no input")
    found = {}
    for name in net.input_names:
        word = options.input_dtypes.get(name, "float32")
        if word not in DTYPES:
            raise InvalidOptions(
                f"the option 'input_dtypes' gives {name!r} the type {word!r}", input=name,
                hint=f"Types: {', '.join(DTYPES)}.",
            )  # fmt: skip
        found[name] = DTYPES[word]
    return found


def is_widened(types: dict[str, ir.DataType]) -> bool:
    """Whether float16 parameters become float32: unless an input of such a type asks for half precision."""
    found = set(types.values())
    return F32 in found or not found & {DTYPES["float16"], DTYPES["bfloat16"]}


# --- free axes -------------------------------------------------------------------------------------------------------


def freed(net: Net, fixed: Shapes, options: Options) -> Shapes:
    """The shapes with the batch axis free, unless the user named axes himself or wants none.

    The batch is axis 0; axis 1 in states of recurrent layers, and in all inputs of time-major nets but vectors.
    """
    if not options.dynamic_batch or any(not isinstance(size, int) for shape in fixed.values() for size in shape):
        return fixed
    states, time_major = _feeding(net, RECURRENT, (2, 3)), _time_major(net)

    def axis(name: str, shape: list[Dim]) -> int:
        return int(name in states or (time_major and len(shape) > 1))

    return _with_axis(fixed, axis, _feeding(net, REGIONS, (1,)))


def _with_axis(fixed: Shapes, choose: Callable[[str, list[Dim]], int], regions: set[str]) -> Shapes:
    """The chosen axis of all inputs that agree in it with the first; a list of regions has a length of its own."""
    result: Shapes = {}
    batch: Dim = None
    for name, shape in fixed.items():
        axis = choose(name, shape)
        if name in regions and shape:
            result[name] = [f"{name}_count", *shape[1:]]
            continue
        if axis >= len(shape):
            result[name] = shape
            continue
        batch = shape[axis] if batch is None else batch
        result[name] = [*shape[:axis], "batch", *shape[axis + 1 :]] if shape[axis] == batch else shape
    return result


def _feeding(net: Net, ops: frozenset[str], slots: tuple[int, ...]) -> set[str]:
    """Names of the inputs that stand directly in these places."""
    nodes = net.symbol.nodes
    inputs = set(net.inputs)
    return {
        nodes[node.inputs[slot][0]].name
        for node in (nodes[index] for index in net.order)
        if node.op in ops
        for slot in slots
        if slot < len(node.inputs) and node.inputs[slot][0] in inputs
    }


def _time_major(net: Net) -> bool:
    """Whether data runs from an input to a layer that wants [time, batch, ...] without being turned."""
    nodes = net.symbol.nodes
    for index in net.order:
        node, turned = nodes[index], False
        if not _time_first(node):
            continue
        while node.inputs:
            node = nodes[node.inputs[0][0]]
            turned ^= _turns(node)
        return not turned
    return False


def _time_first(node: Node) -> bool:
    return node.op in TIME_FIRST and (node.op not in SEQUENCES or node.attrs.get("axis", "0").strip() == "0")


def _turns(node: Node) -> bool:
    """Whether a node exchanges the first two axes."""
    if node.op in _TURNS:
        return {node.attrs.get("dim1", "0").strip(), node.attrs.get("dim2", "0").strip()} == {"0", "1"}
    return node.op in ("transpose", "_np_transpose") and node.attrs.get("axes", "").strip("([ ").startswith("1, 0")

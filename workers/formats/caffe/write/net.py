"""The net under construction: layers in order, blobs named after the hub's values, outputs as Caffe finds them.

Caffe's net outputs are the blobs that no layer reads. So an output that is read as well gets a copy (a Power without
parameters: Split layers are Caffe's own and dissolve when a net is read), and whatever else is left over is silenced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.errors import InvalidOptions, Unsupported, UnsupportedOperators
from workers.formats.caffe.file import BLOB, LAYER, NET, Message, blob
from workers.formats.contract import Note
from workers.hub.naming import unique
from workers.hub.node import Node, constant_of, shape_of

Array = npt.NDArray[Any]

SSD = "ssd-fork"
RECENT = "caffe-master"
NEEDS = {
    SSD: "Only Caffe's SSD fork and its descendants have the layer type {}.",
    RECENT: "Only Caffe's master branch since 2018 has the layer type {}; release 1.0 does not.",
}


class NetWriter:
    """Collects layers; ``net.layer("ReLU", node)`` adds one from the node's first input to its outputs."""

    def __init__(self, graph: ir.Graph, name: str) -> None:
        self.graph = graph
        self.name = name
        self.layers: list[Message] = []
        self.notes: dict[str, Note] = {}
        self._layer_names: set[str] = set()
        self._blob_names: set[str] = set()
        self._blobs: dict[ir.Value, str] = {}
        self._copies: list[tuple[str, str]] = []
        # The blobs of the hub's outputs in its order; Caffe lists them by the alphabet.
        self.output_names: list[str] = []
        self._name_blobs()
        self._inputs()

    # --- blobs ----------------------------------------------------------------------------------------------------

    def _name_blobs(self) -> None:
        """Give every value its blob: its own name, or for an output that is read as well an inner one beside it."""
        taken = [*self.graph.inputs, *(value for node in self.graph for value in node.outputs)]
        self._blob_names.update(str(value.name) for value in taken)
        self._blobs = {value: str(value.name) for value in taken}
        for value in self.graph.outputs:
            name = str(value.name)
            if value.is_graph_input() or name in self.output_names:
                name = self.temporary(f"{name}_output")
                self._copies.append((self._blobs[value], name))
            elif value.uses():
                self._blobs[value] = self.temporary(f"{name}_inner")
                self._copies.append((self._blobs[value], name))
            self.output_names.append(name)

    def temporary(self, name: str) -> str:
        """A blob name that nothing else has."""
        return unique(name, self._blob_names)

    def blob(self, value: ir.Value) -> str:
        """The blob of ``value``; a constant becomes a Parameter layer, made when it is first asked for."""
        if value in self._blobs:
            return self._blobs[value]
        array = constant_of(value)
        if array is None:
            raise ValueError(f"{value.name!r} is neither computed nor a constant")
        name = self._blobs[value] = self.temporary(str(value.name))
        self.add("Parameter", name, [], [name], [array], parameter_param={"shape": {"dim": array.shape}})
        return name

    def _inputs(self) -> None:
        """An Input layer a graph input. Caffe's shapes are numbers: the one free axis that there may be becomes 1."""
        free = {
            str(dim): value for value in self.graph.inputs for dim in shape_of(value) or () if not isinstance(dim, int)
        }
        for value in (*self.graph.inputs, *self.graph.outputs):
            if not isinstance(value.type, ir.TensorType) or (
                value.is_graph_output() and value.dtype != ir.DataType.FLOAT
            ):
                what = f"Caffe's blobs are tensors of float32, not {value.type}"
                raise UnsupportedOperators("caffe", [Unsupported(str(value.name), "Input or output", what)])
        if len(free) > 1 or any(value.shape is None for value in self.graph.inputs):
            listed = ", ".join(f"{axis} of {value.name!r}" for axis, value in free.items()) or "a rank"
            raise InvalidOptions(
                f"Caffe files carry the sizes of their inputs, but these are free: {listed}",
                hint="Fix all but the batch with the option input_shapes.",
            )
        for value in self.graph.inputs:
            name, shape = self._blobs[value], shape_of(value) or ()
            dims = [dim if isinstance(dim, int) else 1 for dim in shape]
            self.add("Input", name, [], [name], input_param={"shape": [{"dim": dims}]})
            if value.dtype not in (ir.DataType.FLOAT, None):
                detail = f"Caffe's blobs hold float32: {name!r} takes its {value.dtype} numbers as such."
                self.note("input-as-float", detail, name)
        for axis in free:
            self.notes[axis] = Note(
                "batch-of-one",
                f"The free axis {axis!r} is written as 1; Caffe takes other sizes after net.blobs[...].reshape(...).",
            )

    # --- layers ---------------------------------------------------------------------------------------------------

    def layer(
        self,
        type: str,
        node: Node,
        bottoms: Sequence[str | ir.Value] | None = None,
        tops: Sequence[str] | None = None,
        blobs: Sequence[Array] = (),
        **parameters: Any,
    ) -> str:
        """Add a layer for ``node``, by default from its first input to its outputs; returns the first top."""
        if bottoms is None:
            bottoms = [node.x()]
        names = [bottom if isinstance(bottom, str) else self.blob(bottom) for bottom in bottoms]
        outputs = [self._blobs[value] for value in node.outputs] if tops is None else list(tops)
        return self.add(type, node.layer, names, outputs, blobs, **parameters)

    def inner(self, type: str, node: Node, bottoms: Sequence[str | ir.Value], suffix: str, **rest: Any) -> str:
        """Add a layer on the way: its top is a blob of its own, named after the node's output."""
        return self.layer(type, node, bottoms, [self.temporary(f"{node.outputs[0].name}_{suffix}")], **rest)

    def add(
        self, type: str, name: str, bottoms: Sequence[str], tops: Sequence[str], blobs: Sequence[Array] = (),
        **parameters: Any,
    ) -> str:  # fmt: skip
        """Add a layer by the names of its blobs; its own is made unique by a dot, which OpenCV never appends itself."""
        record = LAYER(
            name=unique(name, self._layer_names, "."),
            type=type,
            bottom=bottoms,
            top=tops,
            blobs=[_blob(np.asarray(array, np.float32)) for array in blobs],
            **{key: value for key, value in parameters.items() if value is not None},
        )
        self.layers.append(record)
        return tops[0] if tops else ""

    def needs(self, what: str, type: str) -> None:
        """Note once which Caffe a layer type asks for."""
        self.note(what, NEEDS[what].format(type), type)

    def note(self, code: str, detail: str, where: str) -> None:
        self.notes.setdefault(f"{code}:{where}", Note(code, detail, where))

    # --- the finished net -----------------------------------------------------------------------------------------

    def finish(self) -> Message:
        """The NetParameter, with copies of the outputs that are read and the loose ends silenced."""
        for inner, name in self._copies:
            self.add("Power", f"{name}_output", [inner], [name])
        read = {bottom for layer in self.layers for bottom in layer.bottom}
        loose = [top for layer in self.layers for top in layer.top if top not in read and top not in self.output_names]
        if loose:
            self.add("Silence", "silence", loose, [])
        return NET(name=self.name, layer=self.layers)


def without_blobs(net: Message) -> Message:
    """The same net as a deploy.prototxt has it: no weights."""
    return NET(name=net.name, layer=[_bare(layer) for layer in net.layer])


def _bare(layer: Message) -> Message:
    return LAYER(**{entry.name: value for entry, value in layer.fields() if entry.name != "blobs"})


def _blob(array: Array) -> Message:
    """A single number has no axes in Caffe; the 2014 way of writing it, 1x1x1x1, fits that, and OpenCV takes it."""
    if array.ndim:
        return blob(array)
    return BLOB(num=1, channels=1, height=1, width=1, data=array.reshape(1))


def names(values: Iterable[ir.Value]) -> tuple[str, ...]:
    return tuple(str(value.name) for value in values)

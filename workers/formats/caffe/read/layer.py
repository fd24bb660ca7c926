"""What a reading function sees: the registry and one layer with its parameters and weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.caffe.file import Array, same_shape, shown
from workers.formats.caffe.net import Step
from workers.formats.caffe.weights import StoredBlob
from workers.formats.layer import ValueLayer
from workers.formats.rules import Reads
from workers.hub.graph import GraphBuilder

Value = ir.Value
Rule = Callable[..., Value | Sequence[Value]]
reads: Reads[Rule] = Reads("Caffe")


class MissingBlobs(Exception):
    """A layer's weights are in no file and without them not even its output's shape is known."""


class Layer(ValueLayer):
    """One layer: ``layer.pooling_param.kernel_size`` reads its record, ``weight`` its blobs.

    ``stored`` are its blobs as the weights file has them, ``owners`` the name of the initialiser of each (shared
    parameters are one initialiser), ``weights`` the initialisers made so far by that name.
    """

    system = "caffe"
    port = "bottom"

    def __init__(
        self, step: Step, stored: Sequence[StoredBlob], owners: Sequence[str], weights: dict[str, Value], file: str
    ) -> None:
        super().__init__(step.record.name, step.record.type, file, [])
        self.record = step.record
        self.step = step
        self.tops = len(step.tops)
        self.stored = stored
        self.owners = owners
        self.weights = weights
        self.used: set[int] = set()
        self.lacks_weights = False

    def __getattr__(self, field: str) -> Any:
        return getattr(self.record, field)

    # --- shapes -------------------------------------------------------------------------------------------------------

    def channels(self, x: Value, axis: int = 1) -> int:
        return self.sizes(x, axis, axis + 1)[0] if len(self.shape(x)) > axis else 1

    # --- weights ------------------------------------------------------------------------------------------------------

    def array(self, index: int, shape: Sequence[int] | None = None) -> Array:
        """Blob ``index`` as float32 of exactly ``shape``, a view on the file. Raises MalformedModel.

        A layer that is in no file reads zeros, so that the layers behind it can be looked at; the reader, told by
        ``lacks_weights``, then refuses all such layers together.
        """
        if not self.stored:
            self.lacks_weights = True
            if shape is None:
                raise MissingBlobs(self.name)
            return np.broadcast_to(np.float32(0), tuple(shape))
        if index >= len(self.stored):
            raise self.malformed(f"it needs {index + 1} or more blobs; {self.file!r} has {len(self.stored)} for it")
        self.used.add(index)
        blob = self.stored[index]
        array = blob.array()
        if shape is None:
            return array
        wanted = tuple(shape)
        if not same_shape(array.shape, wanted, blob.legacy):
            raise self.malformed(
                f"blob {index} is {shown(array.shape)} in {self.file!r}, the graph needs {shown(wanted)}"
            )
        return array.reshape(wanted)

    def weight(
        self,
        g: GraphBuilder,
        index: int,
        shape: Sequence[int],
        label: str,
        view: Callable[[Array], Array] | None = None,
    ) -> Value:
        """Blob ``index`` as an initialiser called ``<layer>.<label>``; layers that share a parameter share it.

        ``view`` reshapes or transposes the array without copying it.
        """
        array = self.array(index, shape)
        array = view(array) if view is not None else array
        owner = self.owners[index] if index < len(self.owners) else f"{self.name}:{index}"
        key = f"{owner}:{array.shape}:{array.strides}"
        found = self.weights.get(key)
        if found is None:
            found = self.weights[key] = g.weight(f"{owner.rsplit(':', 1)[0]}.{label}", array)
        return found


def pairs(layer: Layer, p: Any, field: str, default: int, count: int = 2) -> list[int]:
    """``kernel_size``, ``stride``, ``pad`` or ``dilation`` of a convolution for ``count`` spatial axes.

    Given once or once an axis, or as ``<field>_h`` and ``<field>_w`` (two axes only, never both ways).
    """
    stem = "kernel" if field == "kernel_size" else field
    given = list(p[field])
    by_axis = field != "dilation" and (p.has(f"{stem}_h") or p.has(f"{stem}_w"))
    if by_axis:
        if given or count != 2:
            raise layer.malformed(f"it has {stem}_h or {stem}_w and also {field}, or other than two spatial axes")
        return [p[f"{stem}_h"], p[f"{stem}_w"]]
    if len(given) not in (0, 1, count):
        raise layer.malformed(f"{field} is given {len(given)} times for {count} spatial axes")
    return given * count if len(given) == 1 else given or [default] * count


def prod(sizes: Sequence[int]) -> int:
    return math.prod(sizes)

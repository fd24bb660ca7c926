"""SSD's DetectionOutput, found again in the operators that the reader made of it.

The graph around NonMaxSuppression says how many boxes and classes there are and what is kept. What the boxes are
decoded with is found by running the decoder: on zeros it yields the prior boxes, and a step in one coordinate shows
that coordinate's variance and whether it moves a corner or a centre. A last run on random numbers proves the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from workers.formats.caffe.write.net import Array
from workers.formats.caffe.write.recognise.pattern import caffe
from workers.hub import IR_VERSION, OPSET
from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import integers, reshape, scalar
from workers.hub.node import Node, shape_of
from workers.hub.provenance import layer_of, layer_type_of

LAYER = "DetectionOutput"
# Scores below this are all scores: the reader's spelling of "no threshold".
LOWEST = float(np.finfo(np.float32).min)
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Decoder:
    """Prior corners and variances [P, 4], and how a location moves a box."""

    priors: Array
    variances: Array
    code_type: str

    def __call__(self, loc: Array) -> Array:
        """Corners [N, P, 4] of locations [N, P, 4]."""
        if self.code_type == "CORNER":
            return np.asarray(self.priors + self.variances * loc)
        low, high = self.priors[:, :2], self.priors[:, 2:]
        size, centre = high - low, (low + high) / 2
        moved = centre + self.variances[:, :2] * loc[..., :2] * size
        half = np.exp(self.variances[:, 2:] * loc[..., 2:]) * size / 2
        return np.concatenate([moved - half, moved + half], -1)


def detection_output(g: GraphBuilder, node: Node) -> Value | None:
    """The whole group of one layer, from its locations and confidences to its table of rows."""
    if node.layer_type != LAYER or (node.out_shape() or ())[:2] != (1, 1):
        return None
    group = [raw for raw in g.graph if layer_of(raw) == node.layer and layer_type_of(raw) == LAYER]
    suppression = next((Node(raw) for raw in group if raw.op_type == "NonMaxSuppression"), None)
    if suppression is None:
        return None
    loc, conf = (_outside(suppression.x(index), group) for index in (0, 1))
    sizes = None if loc is None or conf is None else _sizes(group, loc, conf)
    if loc is None or conf is None or sizes is None:
        return None
    count, classes, shared = sizes
    decoder = _decoder(suppression.x(0), loc, count, classes, shared)
    if decoder is None:
        return None
    row = np.stack([decoder.priors.reshape(-1), decoder.variances.reshape(-1)])[None]
    prior = g.weight(f"{node.layer}.priors", row.astype(np.float32))
    bottoms = [_row(g, value) for value in (loc, conf)]
    if any(bottom is None for bottom in bottoms):
        return None
    settings = _settings(group, suppression, classes)
    return caffe(
        g, LAYER, *bottoms, prior, like=node.outputs[0], num_classes=classes, share_location=int(shared),
        code_type=decoder.code_type, **settings,
    )  # fmt: skip


def _outside(value: Value, group: list[ir.Node]) -> Value | None:
    """The one computed value outside the group that ``value`` depends on."""
    found: set[Value] = set()
    stack, seen = [value], set[Value]()
    while stack:
        value = stack.pop()
        producer = value.producer()
        if value in seen or _is_known(value):
            continue
        seen.add(value)
        if producer is None or producer not in group:
            found.add(value)
        else:
            stack += [part for part in producer.inputs if part is not None]
    return found.pop() if len(found) == 1 else None


def _is_known(value: Value) -> bool:
    """A constant, or computed from constants only: prior boxes that were joined, say."""
    producer = value.producer()
    if producer is None:
        return value.const_value is not None
    return bool(producer.inputs) and all(part is None or _is_known(part) for part in producer.inputs)


def _sizes(group: list[ir.Node], loc: Value, conf: Value) -> tuple[int, int, bool] | None:
    """Boxes an image, classes, and whether all classes share their locations."""
    shape = next(
        (shape_of(raw.outputs[0]) for raw in group if raw.op_type == "Reshape" and raw.inputs[0] is conf), None
    )
    shape = shape_of(conf) if shape is None else shape
    if shape is None or len(shape) != 3 or not isinstance(shape[1], int) or not isinstance(shape[2], int):
        return None
    held = [dim for dim in (shape_of(loc) or ())[1:] if isinstance(dim, int)]
    many = int(np.prod(held)) if held else 0
    if many not in (shape[1] * 4, shape[1] * shape[2] * 4):
        return None
    return shape[1], shape[2], many == shape[1] * 4


def _row(g: GraphBuilder, value: Value) -> Value | None:
    """What the layer takes: [N, everything else]."""
    shape = shape_of(value)
    if shape is None or len(shape) == 2:
        return value
    sizes = [dim for dim in shape[1:] if isinstance(dim, int)]
    return reshape(g, value, (shape[0], int(np.prod(sizes)))) if len(sizes) == len(shape) - 1 else None


def _settings(group: list[ir.Node], suppression: Node, classes: int) -> dict[str, Any]:
    """Background label, thresholds and how many boxes are kept, from the constants of the group."""
    labels = next(
        (integers(raw.inputs[1]) for raw in group if raw.op_type == "Gather" and Node(raw).const(1) is not None
         and Node(raw).i("axis") == 1 and Node(raw).const(0) is None), None,
    )  # fmt: skip
    missing = set(range(classes)) - set(labels or range(classes))
    per_image = [Node(raw) for raw in group if raw.op_type == "TopK" and len(shape_of(raw.outputs[0]) or ()) == 2]
    kept = integers(per_image[0].input(1)) if per_image else None
    score = scalar(suppression.input(4))
    return {
        "background_label_id": missing.pop() if missing else -1,
        "nms_threshold": scalar(suppression.input(3)) or 0.0,
        "top_k": int(scalar(suppression.input(2)) or 0),
        "keep_top_k": kept[0] if kept else -1,
        "confidence_threshold": None if score is None or score <= LOWEST else score,
    }


# --- the decoder, by running it ---------------------------------------------------------------------------------------


def _decoder(boxes: Value, loc: Value, count: int, classes: int, shared: bool) -> Decoder | None:
    """What turns locations into boxes; None when a try on random locations does not bear it out."""
    shape = [dim if isinstance(dim, int) else 1 for dim in shape_of(loc) or ()]
    session = _session(boxes, loc)
    per_class = 1 if shared else classes

    def run(locations: Array) -> Array:
        """[P, 4] -> [P, 4], the same for every class; a class that is left out, or all of them, show the same."""
        spread = np.repeat(locations[:, None], per_class, axis=1).astype(np.float32)
        corners = np.asarray(session.run(None, {"loc": spread.reshape(shape)})[0])
        return np.asarray(corners.reshape(-1, count, 4)[0], np.float64)

    priors = run(np.zeros((count, 4)))
    steps = [run(np.tile(np.eye(4)[axis], (count, 1))) - priors for axis in range(4)]
    guess = _guess(priors, steps)
    locations = np.random.default_rng(0).uniform(-1, 1, (count, 4))
    return guess if np.allclose(guess(locations), run(locations), TOLERANCE, TOLERANCE) else None


def _guess(priors: Array, steps: list[Array]) -> Decoder:
    """A step in the first coordinate that moves the opposite corner as well moves the centre."""
    size = priors[:, 2:] - priors[:, :2]
    if not np.any(steps[0][:, 2]):
        moves = np.stack([steps[axis][:, axis] for axis in range(4)], -1)
        return Decoder(priors, _rounded(moves), "CORNER")
    shift = np.stack([steps[axis][:, axis] / size[:, axis] for axis in range(2)], -1)
    growth = [np.log1p(2 * steps[2 + axis][:, 2 + axis] / size[:, axis]) for axis in range(2)]
    return Decoder(priors, _rounded(np.concatenate([shift, np.stack(growth, -1)], -1)), "CENTER_SIZE")


def _rounded(variances: Array) -> Array:
    """Variances are short decimals; what is left of a division in float32 is taken off."""
    short = np.round(variances, 4)
    return short if np.allclose(short, variances, 1e-4, 1e-6) else variances


def _session(boxes: Value, loc: Value) -> ort.InferenceSession:
    """The nodes between ``loc`` and ``boxes`` as a model of their own with the input ``loc``."""
    inner = GraphBuilder("decoder")
    shape = [dim if isinstance(dim, int) else 1 for dim in shape_of(loc) or ()]
    values: dict[Value, Value] = {loc: inner.input("loc", shape)}

    def copy(value: Value) -> Value:
        if value not in values and value.const_value is not None:
            values[value] = inner.weight(str(value.name), value.const_value.numpy())
        if value not in values:
            producer = value.producer()
            assert producer is not None
            operands = [None if part is None else copy(part) for part in producer.inputs]
            attributes = {name: attribute.value for name, attribute in producer.attributes.items()}
            made = inner.ops(producer.op_type, *operands, outputs=len(producer.outputs), **attributes)
            values.update(zip(producer.outputs, made, strict=True))
        return values[value]

    inner.output(copy(boxes), "boxes")
    model = inner.model()
    assert (model.ir_version, model.graph.opset_imports[""]) == (IR_VERSION, OPSET)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])

"""Rearranging axes: Reshape and its kin, Transpose, and questions about shapes with known answers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.legalise.dims import fixed, integers, reshape
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Node


@rule(("Squeeze", "Unsqueeze", "Flatten"), "shape-change-to-reshape", "The result's shape is known: a Reshape says it.")
def to_reshape(g: GraphBuilder, node: Node) -> Results:
    out = node.out_shape()
    return None if out is None or node.shape() is None else reshape(g, node.x(), out)


@rule("Reshape", "reshape-to-known-shape", "A computed shape that inference knows is written as a constant.")
def reshape_to_known_shape(g: GraphBuilder, node: Node) -> Results:
    out = node.out_shape()
    if node.const(1) is not None or out is None or node.shape() is None:
        return None
    return reshape(g, node.x(), out)


@rule("Reshape", "reshape-to-flatten", "A Reshape to [batch, rest] is Flatten.")
def reshape_to_flatten(g: GraphBuilder, node: Node) -> Results:
    shape, out = node.shape(), node.out_shape()
    if shape is None or out is None or len(out) != 2 or out[0] is None or shape[:1] != out[:1]:
        return None
    return g.Flatten(node.x(), axis=1)


def permutation(node: Node) -> tuple[int, ...] | None:
    """The order of a Transpose's axes; reversed when the attribute is left out."""
    return None if node.rank is None else node.ints("perm", range(node.rank)[::-1])


@rule("Transpose", "transpose-nothing", "A Transpose that keeps the order is left out.")
def transpose_nothing(g: GraphBuilder, node: Node) -> Results:
    order = permutation(node)
    return node.x() if order is not None and list(order) == sorted(order) else None


@rule("Transpose", "transpose-of-transpose", "Two Transposes in a row are one, or none.")
def transpose_of_transpose(g: GraphBuilder, node: Node) -> Results:
    producer, outer = node.x().producer(), permutation(node)
    if producer is None or producer.op_type != "Transpose" or outer is None:
        return None
    first = Node(producer)
    inner = permutation(first)
    if inner is None:
        return None
    order = [inner[axis] for axis in outer]
    return first.x() if order == sorted(order) else g.Transpose(first.x(), perm=order)


@rule("Transpose", "transpose-of-ones-to-reshape", "A Transpose that moves only axes of size one is a Reshape.")
def transpose_to_reshape(g: GraphBuilder, node: Node) -> Results:
    shape, order, out = node.shape(), permutation(node), node.out_shape()
    if shape is None or order is None or out is None:
        return None
    real = [axis for axis in order if shape[axis] != 1]
    return reshape(g, node.x(), out) if real == sorted(real) else None


@rule("DepthToSpace", "depth-to-space-to-transpose", "Blocks of channels become pixels by Reshape and Transpose.")
def depth_to_space(g: GraphBuilder, node: Node) -> Results:
    shape, block = node.shape(), node.i("blocksize")
    sizes = None if shape is None else fixed(shape[1:])
    if shape is None or sizes is None:
        return None
    c, h, w = sizes
    depth = c // (block * block)
    column_first = node.s("mode", "DCR") == "CRD"
    split = (depth, block, block) if column_first else (block, block, depth)
    x = reshape(g, node.x(), (shape[0], *split, h, w))
    if x is None:
        return None
    x = g.Transpose(x, perm=[0, 1, 4, 2, 5, 3] if column_first else [0, 3, 4, 1, 5, 2])
    return reshape(g, x, (shape[0], depth, h * block, w * block))


@rule("SpaceToDepth", "space-to-depth-to-transpose", "Blocks of pixels become channels by Reshape and Transpose.")
def space_to_depth(g: GraphBuilder, node: Node) -> Results:
    shape, block = node.shape(), node.i("blocksize")
    sizes = None if shape is None else fixed(shape[1:])
    if shape is None or sizes is None:
        return None
    c, h, w = sizes
    x = reshape(g, node.x(), (shape[0], c, h // block, block, w // block, block))
    if x is None:
        return None
    x = g.Transpose(x, perm=[0, 3, 5, 1, 2, 4])
    return reshape(g, x, (shape[0], c * block * block, h // block, w // block))


@rule("Concat", "concat-of-one", "A Concat of one tensor is that tensor.")
def concat_of_one(g: GraphBuilder, node: Node) -> Results:
    return node.x() if len(node.inputs) == 1 else None


@rule("Shape", "shape-known", "The shape of a tensor of fixed size is a constant.")
def shape_known(g: GraphBuilder, node: Node) -> Results:
    shape = node.shape()
    if shape is None:
        return None
    end = node.i("end", len(shape)) if node.has("end") else len(shape)
    part = fixed(shape[node.i("start") : end])
    return None if part is None else g.constant(np.asarray(part, np.int64))


@rule("Size", "size-known", "The number of elements of a tensor of fixed size is a constant.")
def size_known(g: GraphBuilder, node: Node) -> Results:
    shape = fixed(node.shape())
    return None if shape is None else g.constant(np.asarray(int(np.prod(shape)), np.int64))


@rule("ConstantOfShape", "constant-of-known-shape", "A constant block of known shape.")
def constant_of_shape(g: GraphBuilder, node: Node) -> Results:
    shape = integers(node.input(0)) if node.input(0) is not None else None
    shape = fixed(node.out_shape()) if shape is None else shape
    if shape is None or np.prod(shape) > 1 << 20:
        return None
    attribute = node.raw.attributes.get("value")
    filler = np.zeros(1, np.float32) if attribute is None else attribute.as_tensor().numpy()
    return g.constant(np.full(shape, filler.reshape(()), filler.dtype))


@rule("Cast", "cast-to-same-type", "A Cast to the type that the tensor already has is left out.")
def cast_to_same_type(g: GraphBuilder, node: Node) -> Results:
    return node.x() if node.dtype() is not None and node.dtype() == ir.DataType(node.i("to")) else None


@rule("CastLike", "cast-like-to-cast", "The type to cast to is known.")
def cast_like(g: GraphBuilder, node: Node) -> Results:
    kind = node.dtype(1)
    return None if kind is None else g.Cast(node.x(), to=int(kind))

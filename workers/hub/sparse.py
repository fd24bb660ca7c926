"""Sparse tensors of a file become dense ones, bounded: the hub has no sparse tensors, and few targets have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from workers.errors import LimitExceeded, MalformedModel
from workers.hub.protos import graphs_of, nodes_of
from workers.inspect.budget import BUDGET, check_declared

Values = Callable[[onnx.TensorProto], npt.NDArray[Any]]


def densify(model: onnx.ModelProto, values: Values, file: str) -> None:
    """Turn sparse initialisers and ``Constant.sparse_value`` of ``model`` into dense tensors, in place."""
    for graph in graphs_of(model):
        for sparse in graph.sparse_initializer:
            graph.initializer.append(_dense(sparse, values, file))
        del graph.sparse_initializer[:]
    for node in nodes_of(model):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.SPARSE_TENSOR and node.op_type == "Constant":
                tensor = _dense(attribute.sparse_tensor, values, file)
                attribute.Clear()
                attribute.name, attribute.type = "value", onnx.AttributeProto.TENSOR
                attribute.t.CopyFrom(tensor)


def _dense(sparse: onnx.SparseTensorProto, values: Values, file: str) -> onnx.TensorProto:
    """Indices are [NNZ] into the flattened tensor, or [NNZ, rank] coordinates."""
    name = sparse.values.name
    if not sparse.HasField("values") or not sparse.HasField("indices"):
        raise MalformedModel(f"sparse tensor {name!r} has no values or no indices", file=file)
    elements = check_declared(name, sparse.dims, file)
    data, indices = values(sparse.values), values(sparse.indices)
    if elements * data.dtype.itemsize > BUDGET.dense_from_sparse:
        raise LimitExceeded(
            "memory",
            f"sparse tensor {name!r} would be {elements:,} elements",
            limit=BUDGET.dense_from_sparse,
            file=file,
        )
    shape = tuple(sparse.dims)
    flat = indices if indices.ndim == 1 else _flattened(indices, shape, name, file)
    if len(flat) != data.size or (len(flat) and (flat.min() < 0 or flat.max() >= elements)):
        raise MalformedModel(f"sparse tensor {name!r} has indices outside its shape {list(shape)}", file=file)
    dense = np.zeros(elements, data.dtype)
    dense[flat] = data.reshape(-1)
    return onnx.numpy_helper.from_array(dense.reshape(shape), name)


def _flattened(indices: npt.NDArray[Any], shape: tuple[int, ...], name: str, file: str) -> npt.NDArray[Any]:
    if indices.ndim != 2 or indices.shape[1] != len(shape):
        raise MalformedModel(f"sparse tensor {name!r} has indices of shape {list(indices.shape)}", file=file)
    inside = ((indices >= 0) & (indices < np.asarray(shape))).all()
    if not inside:
        raise MalformedModel(f"sparse tensor {name!r} has indices outside its shape {list(shape)}", file=file)
    return np.asarray(np.ravel_multi_index(tuple(indices.T), shape))

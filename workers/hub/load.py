"""Opening ONNX files with their weights memory-mapped, wherever they lie: in the file itself or beside it."""

from __future__ import annotations

import secrets
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from workers.errors import CheckerFailed, LimitExceeded, MalformedModel
from workers.hub import sparse
from workers.hub.attributes import settle_types
from workers.hub.external import Beside, ExternalData, Store
from workers.hub.protos import tensors_of
from workers.hub.skeleton import all_graphs
from workers.hub.wire import cut
from workers.inspect.budget import BUDGET, check_declared, check_model_proto
from workers.inspect.upload import UploadedFile

KNOWN_TYPES = frozenset(dtype.value for dtype in ir.DataType if dtype != ir.DataType.UNDEFINED)


def load(path: Path) -> ir.Model:
    """The model in an ONNX file; its external data is looked for in the same folder.

    Raises MalformedModel, UnsafeModel, MissingFile or LimitExceeded, each naming the file or the tensor.
    """
    file = UploadedFile(path.name, path, path.stat().st_size)
    return to_ir(*parse(file, Beside(path.parent)))


def parse(file: UploadedFile, store: Store) -> tuple[onnx.ModelProto, Weights]:
    """The skeleton of an ONNX file as protobuf, and its weights, checked against the tensors that they belong to."""
    token = secrets.token_hex(16)
    view = file.map()
    frame, spans = cut(view, token, file.name)
    if len(frame) > BUDGET.skeleton:
        raise LimitExceeded(
            "size",
            f"{file.name!r} has {len(frame):,} bytes besides its weights",
            limit=BUDGET.skeleton,
            file=file.name,
        )
    try:
        proto = onnx.ModelProto.FromString(frame)
    except DecodeError as error:
        raise MalformedModel(
            f"{file.name!r} is no ONNX model, is damaged, or nests graphs deeper than 100 messages", file=file.name
        ) from error
    check_model_proto(proto, file.name)
    settle_types(proto, file.name)
    weights = Weights(token, spans, ExternalData(store, file.name), file.name)
    weights.attach(proto)
    return proto, weights


class Weights:
    """The data of large and external tensors, by the number that stands in each tensor's stub."""

    def __init__(self, token: str, spans: list[memoryview], external: ExternalData, file: str) -> None:
        self.token = token
        self.spans = spans
        self.external = external
        self.file = file

    def attach(self, proto: onnx.ModelProto) -> None:
        """Check every tensor at every place where ONNX may have one, and turn external ones into stubs as well."""
        for tensor in tensors_of(proto):
            size = self._declared(tensor)
            if tensor.data_location != onnx.TensorProto.EXTERNAL:
                self._check_inline(tensor, size)
                continue
            entries = {entry.key: entry.value for entry in tensor.external_data}
            if entries.get("location") == self.token:
                self._check_length(tensor, len(self.spans[int(entries["offset"])]), size)
                continue
            self.spans.append(self.external.bytes_of(tensor, size))
            del tensor.external_data[:]
            for key, value in (("location", self.token), ("offset", str(len(self.spans) - 1))):
                tensor.external_data.add(key=key, value=value)

    def tensor(self, stub: ir.ExternalTensor) -> ir.TensorProtocol:
        """The tensor behind a stub: a view on the mapped file."""
        span = self.spans[stub.offset or 0]
        shape = stub.shape.numpy()
        if stub.dtype.bitwidth < 8:
            return ir.PackedTensor(np.frombuffer(span, np.uint8), stub.dtype, shape=shape, name=stub.name)
        array = np.frombuffer(span, stub.dtype.numpy().newbyteorder("<")).reshape(shape)
        return ir.Tensor(array, dtype=stub.dtype, name=stub.name, doc_string=stub.doc_string)

    def array(self, tensor: onnx.TensorProto) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
        """The values of a tensor of the skeleton."""
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            return onnx.numpy_helper.to_array(tensor)
        stub = ir.serde.deserialize_tensor(tensor)
        assert isinstance(stub, ir.ExternalTensor)
        return self.tensor(stub).numpy()

    def _declared(self, tensor: onnx.TensorProto) -> int:
        """Bytes that the tensor's type and dimensions ask for."""
        if tensor.data_type not in KNOWN_TYPES:
            raise MalformedModel(
                f"tensor {tensor.name!r} has the unknown element type {tensor.data_type}", file=self.file
            )
        dtype = ir.DataType(tensor.data_type)
        elements = check_declared(tensor.name, tensor.dims, self.file)
        return 0 if dtype == ir.DataType.STRING else (elements * dtype.bitwidth + 7) // 8

    def _check_length(self, tensor: onnx.TensorProto, have: int, need: int) -> None:
        if have != need:
            raise MalformedModel(
                f"tensor {tensor.name!r} of shape {list(tensor.dims)} needs {need:,} bytes and has {have:,}",
                file=self.file,
                layer=tensor.name,
            )

    def _check_inline(self, tensor: onnx.TensorProto, size: int) -> None:
        """Data in the tensor itself: as many bytes, or elements, as its dimensions ask for."""
        if tensor.HasField("raw_data"):
            self._check_length(tensor, len(tensor.raw_data), size)
            return
        have = len(getattr(tensor, onnx.helper.tensor_dtype_to_field(tensor.data_type)))
        need = int(np.prod(tensor.dims, dtype=np.int64)) if tensor.dims else 1
        dtype = ir.DataType(tensor.data_type)
        if dtype in (ir.DataType.COMPLEX64, ir.DataType.COMPLEX128):
            need *= 2
        if dtype != ir.DataType.STRING and dtype.bitwidth < 8:
            need = size
        if have != need:
            raise MalformedModel(
                f"tensor {tensor.name!r} of shape {list(tensor.dims)} needs {need:,} elements and has {have:,}",
                file=self.file,
                layer=tensor.name,
            )


def to_ir(proto: onnx.ModelProto, weights: Weights) -> ir.Model:
    """The skeleton as a graph to work on, its weights attached; sparse tensors become dense ones."""
    sparse.densify(proto, weights.array, weights.file)
    try:
        model = ir.serde.deserialize_model(proto)
    except (ir.serde.SerdeError, ValueError, KeyError, TypeError) as error:
        raise CheckerFailed(f"{weights.file!r} is inconsistent: {innermost(error)}", file=weights.file) from error
    for graph in all_graphs(model):
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                value.const_value = weights.tensor(value.const_value)
        for node in graph:
            _attach_attributes(node, weights)
    return model


def _attach_attributes(node: ir.Node, weights: Weights) -> None:
    for attr in list(node.attributes.values()):
        if attr.is_ref():
            continue
        if attr.type == ir.AttributeType.TENSOR and isinstance(attr.value, ir.ExternalTensor):
            node.attributes[attr.name] = ir.AttrTensor(attr.name, weights.tensor(attr.value))
        elif attr.type == ir.AttributeType.TENSORS:
            tensors = [weights.tensor(t) if isinstance(t, ir.ExternalTensor) else t for t in attr.as_tensors()]
            node.attributes[attr.name] = ir.AttrTensors(attr.name, tensors)


def innermost(error: BaseException) -> str:
    """The first cause, where the message that helps is, in bounded length."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:1000]

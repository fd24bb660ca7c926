"""The blobs of a weights file by layer name, read only when a layer asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from workers.errors import MalformedModel
from workers.formats.caffe.file import Array, blob_array, is_legacy
from workers.inspect.hdf5 import open_hdf5
from workers.inspect.schema import Message
from workers.inspect.upload import UploadedFile


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """One stored blob: ``array()`` gives it as float32 of its own shape; ``legacy`` shapes are 4-D, left-padded."""

    array: Callable[[], Array]
    legacy: bool = False


@dataclass(slots=True)
class Weights:
    """``layers``: the blobs of every layer that has any. ``file``: the name for errors; '' when there is no file."""

    file: str = ""
    layers: dict[str, list[StoredBlob]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)


def from_net(net: Message, file: str) -> Weights:
    """Weights of an upgraded NetParameter; where two layers share a name, the first that has blobs counts."""
    weights = Weights(file)
    for layer in net.layer:
        weights.known.add(layer.name)
        if layer.blobs:
            weights.layers.setdefault(layer.name, [_stored(layer.name, i, b, file) for i, b in enumerate(layer.blobs)])
    return weights


def _stored(layer: str, index: int, record: Message, file: str) -> StoredBlob:
    def array() -> Array:
        return blob_array(record, file, f"blob {index} of layer {layer!r}")

    return StoredBlob(array, is_legacy(record))


def from_hdf5(source: UploadedFile) -> Weights:
    """Weights of a ``.caffemodel.h5``: ``/data/<layer>/<index>``. Raises MalformedModel for any other tree."""
    weights = Weights(source.name)
    found: dict[str, dict[int, Array]] = {}
    with open_hdf5(source) as file:
        for path, dataset in file.walk():
            parts = path.split("/")[1:]
            if parts[0] != "data":
                continue
            if len(parts) == 2 and dataset is None:
                weights.known.add(parts[1])
            elif len(parts) == 3 and parts[2].isdecimal() and dataset is not None:
                found.setdefault(parts[1], {})[int(parts[2])] = dataset.read().astype(np.float32, copy=False)
    if not weights.known:
        raise MalformedModel(
            f"{source.name!r} is an HDF5 file without Caffe's group /data/<layer>/<index>", file=source.name
        )
    for layer, blobs in found.items():
        if sorted(blobs) != list(range(len(blobs))):
            raise MalformedModel(
                f"{source.name!r} numbers the blobs of layer {layer!r} {sorted(blobs)}", file=source.name, layer=layer
            )
        weights.layers[layer] = [_fixed(blobs[index]) for index in range(len(blobs))]
    return weights


def _fixed(array: Array) -> StoredBlob:
    return StoredBlob(lambda: array)

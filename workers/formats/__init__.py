"""The formats, one folder each. This list is the truth about what an installation reads and writes.

An installed package may add a format through the entry-point group ``onnxhub.formats`` (an object ``FORMAT``).
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from workers.formats import (
    caffe,
    caffe2,
    darknet,
    keras,
    mxnet,
    onnx,
    paddle,
    pytorch,
    tensorflow,
    tflite,
    torch7,
)
from workers.formats.contract import Format

BUILT_IN: tuple[Format, ...] = (
    caffe.FORMAT,
    caffe2.FORMAT,
    darknet.FORMAT,
    keras.FORMAT,
    mxnet.FORMAT,
    onnx.FORMAT,
    paddle.FORMAT,
    pytorch.FORMAT,
    tensorflow.FORMAT,
    tflite.FORMAT,
    torch7.FORMAT,
)


@cache
def all_formats() -> dict[str, Format]:
    """Every format by name, the built-in ones first."""
    added = [point.load() for point in entry_points(group="onnxhub.formats")]
    return {format.name: format for format in (*BUILT_IN, *added)}

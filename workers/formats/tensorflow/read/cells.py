"""Loop bodies that are recurrent cells, turned back into ONNX's LSTM, GRU and RNN."""

from __future__ import annotations

from collections.abc import Sequence

from workers.formats.tensorflow.read.layer import Entity, Layer
from workers.formats.tensorflow.read.loops import Draft
from workers.formats.tensorflow.read.network import Scope


def recurrent(scope: Scope, layer: Layer, starts: Sequence[Entity], draft: Draft) -> dict[int, Entity] | None:
    return None

"""Operators that no arrangement of Caffe's layers can say, and why."""

from __future__ import annotations

from workers.formats.caffe.write.registry import writes

writes.refuse("a Caffe net has neither branches nor loops", "If", "Loop", "Scan")
writes.refuse(
    "Caffe neither compares nor chooses element by element, but for Threshold",
    "And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Where", "Xor",
)  # fmt: skip
writes.refuse(
    "Caffe suppresses boxes only inside the SSD fork's DetectionOutput, which this was not recognised as",
    "NonMaxSuppression",
)
writes.refuse("the size of the result depends on the data", "Compress", "NonZero", "Unique")
writes.refuse(
    "a Caffe net does not compute with shapes; fix them with the option input_shapes", "Range", "Shape", "Size"
)
writes.refuse(
    "Caffe picks and places elements at constant positions only",
    "Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND",
)  # fmt: skip
writes.refuse(
    "Caffe's blobs hold float32 only: its ArgMax gives floats, so a Cast to float must follow",
    "ArgMax",
    "ArgMin",
    "TopK",
)
writes.refuse("Caffe's blobs hold float32 only", "Cast", "DequantizeLinear", "QuantizeLinear")
writes.refuse(
    "Caffe has no such function of an element",
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Floor", "Mod", "Round", "Sign", "Sin",
    "Sinh", "Tan",
)  # fmt: skip
writes.refuse("Caffe has no cumulative sums or products", "CumSum", "ReduceProd")

"""Operators that are known and cannot be said, each with the reason that the user will read."""

from workers.formats.tflite.read.layer import reads

reads.refuse(
    "it works on words of a text; ONNX has no such operator: do this step outside of the model",
    "SKIP_GRAM", "LSH_PROJECTION",
)  # fmt: skip
reads.refuse("TensorFlow Lite itself has no kernel for it", "CONCAT_EMBEDDINGS", "PLACEHOLDER_FOR_GREATER_OP_CODES")
reads.refuse(
    "a delegate has compiled a part of the model for one device; convert the model as it was before", "DELEGATE"
)
reads.refuse(
    "it draws with TensorFlow's own generator, whose numbers no ONNX operator gives; make them an input of the model",
    "MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM", "STABLEHLO_RNG_BIT_GENERATOR",
)  # fmt: skip
reads.refuse("it calls a function by name, whose definition is not in the file", "STABLEHLO_CUSTOM_CALL")
reads.refuse("it is a custom operator, whose code is not in the file; say what it computes in ONNX instead", "CUSTOM")
reads.refuse("its order is a function of the model's own, which ONNX's sorting cannot take", "STABLEHLO_SORT")
reads.refuse(
    "it chooses among any number of graphs by an index; TensorFlow Lite has no kernel for it", "STABLEHLO_CASE"
)
reads.refuse("it is TensorFlow's own operator, run by the Flex delegate; convert the TensorFlow model instead", "Flex*")
reads.refuse(
    "it samples the plane along computed corners for MediaPipe's trackers, whose code is not in the file",
    "TransformTensor", "TransformTensorBilinear", "Landmarks2TransformMatrix",
)  # fmt: skip

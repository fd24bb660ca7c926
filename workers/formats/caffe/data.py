"""Data layers, which become graph inputs, and training layers, which are dropped; what is known of a data's shape."""

from __future__ import annotations

from workers.inspect.schema import Message

DATA = frozenset({
    "Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "AnnotatedData", "VideoData",
    "CPMData", "ImageSegData", "DenseImageData", "MultiLabelData",
})  # fmt: skip
TRAINING = frozenset({
    "Accuracy", "HDF5Output", "DetectionEvaluate", "SoftmaxWithLoss", "BoxAnnotatorOHEM", "MultilabelAccuracy",
    "SegAccuracy",
})  # fmt: skip
LOSSES = frozenset({
    "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss", "MultiBoxLoss", "MultinomialLogisticLoss",
    "SigmoidCrossEntropyLoss", "SmoothL1Loss",
})  # fmt: skip
Shape = tuple[int | None, ...]


def is_data(layer: Message) -> bool:
    """Layers that bring data in; a Python layer without bottoms can only be one."""
    return layer.type in DATA or (layer.type == "Python" and not layer.bottom)


def is_training(layer: Message) -> bool:
    """Layers of no use at inference: measurements, files written, and losses, by whatever name a fork has them."""
    return layer.type in TRAINING or layer.type.endswith("Loss")


def declared_shape(layer: Message, top: int) -> Shape | None:
    """What an input or data layer says of its ``top``: the whole shape, one with unknown axes as None, or nothing."""
    if layer.type == "Input":
        shapes = layer.input_param.shape
        if not shapes:
            return None
        return tuple(int(dim) for dim in (shapes[top] if len(shapes) > top else shapes[0]).dim)
    if layer.type == "DummyData":
        return _dummy(layer.dummy_data_param, top)
    if top != 0:
        return None
    if layer.type == "MemoryData":
        memory = layer.memory_data_param
        return (memory.batch_size, memory.channels, memory.height, memory.width)
    if layer.type == "ImageData":
        image = layer.image_data_param
        crop = layer.transform_param.crop_size or image.crop_size
        height, width = (crop, crop) if crop else (image.new_height, image.new_width)
        return (image.batch_size, 3 if image.is_color else 1, height or None, width or None)
    if layer.type in ("Data", "WindowData", "AnnotatedData"):
        return _cropped(layer)
    return None


def _dummy(dummy: Message, top: int) -> Shape | None:
    if dummy.has("shape"):
        return tuple(int(dim) for dim in (dummy.shape[top] if len(dummy.shape) > top else dummy.shape[0]).dim)
    axes = [dummy[name] for name in ("num", "channels", "height", "width")]
    if not all(axes):
        return None
    return tuple(axis[top] if len(axis) > top else axis[0] for axis in axes)


def _cropped(layer: Message) -> Shape | None:
    """Images cropped to a square: the number of channels stands in the database only, or follows from the mean."""
    source = layer.window_data_param if layer.type == "WindowData" else layer.data_param
    crop = layer.transform_param.crop_size or source.crop_size
    transform = layer.transform_param
    channels = 3 if transform.force_color else 1 if transform.force_gray else None
    if channels is None and len(transform.mean_value) > 1:
        channels = len(transform.mean_value)
    return (source.batch_size or None, channels, crop or None, crop or None)


def preprocessing(layer: Message) -> str | None:
    """What the data layer did to its images and the converted model does not, in words."""
    transform = layer.transform_param
    done = []
    if transform.has("mean_file") or transform.has("mean_value"):
        done.append("subtracts a mean")
    if transform.has("scale") and transform.scale != 1:
        done.append(f"multiplies by {transform.scale:g}")
    return " and ".join(done) or None

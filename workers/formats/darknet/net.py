"""A cfg as a net: numbered layers with resolved references, the input, the outputs, and whose dialect it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.errors import LimitExceeded, MalformedModel
from workers.formats.darknet.file import Cfg, Section, whole

PJREDDIE, ALEXEYAB = "pjreddie", "AlexeyAB"
INPUT = "data"

ALIASES = {
    "conv": "convolutional", "deconv": "deconvolutional", "conn": "connected", "max": "maxpool", "avg": "avgpool",
    "soft": "softmax", "lrn": "normalization", "local_avg": "local_avgpool", "silence": "empty",
}  # fmt: skip
# What Darknet's own enumeration calls a layer, where that is not the section's name.
NAMES = {"activation": "active", "logistic": "logxent", "reorg3d": "reorg", "Gaussian_yolo": "gaussian_yolo"}
NETWORK = ("net", "network")
HEADS = ("yolo", "region", "detection", "Gaussian_yolo", "iseg")
RECURRENT = ("rnn", "gru", "lstm", "crnn", "conv_lstm", "history")
REFERENCES = {
    "route": "layers", "shortcut": "from", "sam": "from", "scale_channels": "from", "convolutional": "share_index",
}  # fmt: skip

# Darknet reads their list with atoi(): up to the first comma.
ONE_SOURCE = frozenset(("sam", "scale_channels", "convolutional"))

# Sections, keys and activations that one of the two lineages lacks.
ALEXEYAB_SECTIONS = frozenset(
    ("scale_channels", "sam", "reorg3d", "Gaussian_yolo", "local_avgpool", "conv_lstm", "history", "implicit", "empty",
     "contrastive")
)  # fmt: skip
PJREDDIE_SECTIONS = frozenset(("deconvolutional", "iseg", "logistic", "l2norm"))
ALEXEYAB_KEYS = frozenset(
    ("scale_x_y", "new_coords", "iou_loss", "mosaic", "stride_x", "stride_y", "dilation", "max_delta", "nms_kind",
     "antialiasing", "maxpool_depth", "weights_type", "share_index", "group_id", "cutmix", "mixup", "iou_normalizer",
     "letter_box", "ema_alpha", "cls_normalizer", "iou_thresh", "scale_wh")
)  # fmt: skip
PJREDDIE_KEYS = frozenset(("alpha", "beta", "tanh", "output_filters", "hidden_filters"))
ALEXEYAB_ACTIVATIONS = frozenset(
    ("swish", "mish", "hard_mish", "gelu", "relu6", "revleaky", "normalize_channels", "normalize_channels_softmax",
     "normalize_channels_softmax_maxval")
)  # fmt: skip

LAYERS, SOURCES = 10_000, 1024


@dataclass(frozen=True, slots=True)
class Step:
    """A layer: ``name`` as Darknet's users count it (``convolutional_12``), ``sources`` the layers it refers to."""

    index: int
    type: str
    name: str
    section: Section
    sources: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Net:
    """``shape``: of one input without the batch: [C, H, W], or [inputs]. ``steps``: the cfg's time steps."""

    file: str
    settings: Section
    steps: tuple[Step, ...]
    shape: tuple[int, ...]
    time_steps: int
    outputs: tuple[int, ...]

    @property
    def recurrent(self) -> bool:
        return any(step.type in RECURRENT for step in self.steps)


def build(cfg: Cfg, file: str) -> Net:
    """Raises MalformedModel for a cfg that Darknet would not read, LimitExceeded for one beyond all nets."""
    if not cfg.sections or cfg.sections[0].type not in NETWORK:
        first = f"[{cfg.sections[0].type}]" if cfg.sections else "nothing"
        raise MalformedModel(f"{file!r} must begin with the section [net]; it begins with {first[:60]}", file=file)
    layers = cfg.sections[1:]
    if not layers:
        raise MalformedModel(f"{file!r} has no layers", file=file)
    if len(layers) > LAYERS:
        raise LimitExceeded("nodes", f"{file!r} has {len(layers):,} layers", limit=LAYERS, file=file)
    steps = tuple(_step(index, section, file) for index, section in enumerate(layers))
    return Net(
        file, cfg.sections[0], steps, _input(cfg.sections[0], file),
        max(_setting(cfg.sections[0], "time_steps", 1, file), 1), _outputs(steps),
    )  # fmt: skip


def _step(index: int, section: Section, file: str) -> Step:
    kind = ALIASES.get(section.type, section.type)
    name = f"{NAMES.get(kind, kind)}_{index}"
    key = REFERENCES.get(kind)
    if key is None or (kind == "convolutional" and key not in section.options):
        return Step(index, kind, name, section)
    return Step(index, kind, name, section, _references(index, name, section, key, file))


def _references(index: int, name: str, section: Section, key: str, file: str) -> tuple[int, ...]:
    """Absolute numbers of the layers that ``key`` lists: a negative one counts from this layer."""
    where = f"layer {name!r} (line {section.line})"
    if key not in section.options:
        raise MalformedModel(f"{where} must say {key}=", file=file, layer=name, op=section.type)
    words = section.options[key].split(",")
    if section.type in ONE_SOURCE:
        words = words[:1]
    if len(words) > SOURCES:
        raise LimitExceeded("nodes", f"{where} refers to {len(words):,} layers", limit=SOURCES, file=file, layer=name)
    found = []
    for word in words:
        try:
            number = whole(word)
        except ValueError as error:
            raise MalformedModel(f"{where}: {key}: {error}", file=file, layer=name) from error
        place = number if number >= 0 else index + number
        if not 0 <= place < index:
            raise MalformedModel(
                f"{where} refers to layer {number}, which does not stand before it", file=file, layer=name,
                op=section.type,
            )  # fmt: skip
        found.append(place)
    return tuple(found)


def _setting(section: Section, key: str, default: int, file: str) -> int:
    try:
        return whole(section.options[key]) if key in section.options else default
    except ValueError as error:
        raise MalformedModel(f"[{section.type}] {key}: {error}", file=file) from error


def _input(section: Section, file: str) -> tuple[int, ...]:
    channels, height, width = (_setting(section, key, 0, file) for key in ("channels", "height", "width"))
    if min(channels, height, width) > 0:
        return channels, height, width
    inputs = _setting(section, "inputs", 0, file)
    if inputs > 0 and channels == height == width == 0:
        return (inputs,)
    raise MalformedModel(
        f"[{section.type}] of {file!r} gives no input size: it needs height, width and channels, or inputs "
        f"(height={height}, width={width}, channels={channels}, inputs={inputs})", file=file,
    )  # fmt: skip


def _outputs(steps: Sequence[Step]) -> tuple[int, ...]:
    """Every detection head, else the last layer that is no cost."""
    heads = tuple(step.index for step in steps if step.type in HEADS)
    if heads:
        return heads
    rest = [step.index for step in steps if step.type != "cost"]
    return (rest[-1] if rest else steps[-1].index,)


def fork(net: Net) -> tuple[str, str] | None:
    """Whose dialect the cfg is written in, and what says so; None when it could be either."""
    for section in (net.settings, *(step.section for step in net.steps)):
        kind = ALIASES.get(section.type, section.type)
        if kind in ALEXEYAB_SECTIONS:
            return ALEXEYAB, f"[{section.type}]"
        if kind in PJREDDIE_SECTIONS:
            return PJREDDIE, f"[{section.type}]"
        keys = section.options.keys()
        if found := sorted(keys & ALEXEYAB_KEYS) or (["groups"] if kind == "route" and "groups" in keys else []):
            return ALEXEYAB, f"{found[0]}= in [{section.type}]"
        if section.options.get("activation") in ALEXEYAB_ACTIVATIONS:
            return ALEXEYAB, f"activation={section.options['activation']}"
        if kind in ("shortcut", "gru", "crnn") and (found := sorted(keys & PJREDDIE_KEYS)):
            return PJREDDIE, f"{found[0]}= in [{section.type}]"
    return None

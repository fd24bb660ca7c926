"""YOLOv3 with random weights: ``yolov3.cfg`` + ``yolov3.weights`` of about 240 MB, as the original's."""

from __future__ import annotations

from pathlib import Path

from benchmarks.networks import Array, Network, Weights
from workers.formats.darknet.file import Header, print_header

STAGES = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))
ANCHORS = "10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326"
HEAD = 255


def generate(folder: Path) -> Network:
    """Write both files into ``folder`` unless they are there."""
    cfg, weights = folder / "yolov3.cfg", folder / "yolov3.weights"
    if not weights.exists():
        net = _Net()
        net.body()
        cfg.write_text("\n".join(net.lines))
        with weights.open("wb") as file:
            file.write(print_header(Header(0, 2, 0, 32013312, 20)))
            file.writelines(array.tobytes() for array in net.arrays)
    return Network("YOLOv3", (cfg, weights))


class _Net:
    """The cfg's lines and the weights in the file's order; ``widths`` are the layers' channels."""

    def __init__(self) -> None:
        self.lines = ["[net]", "width=416", "height=416", "channels=3"]
        self.arrays: list[Array] = []
        self.widths: list[int] = []
        self.weights = Weights()

    def section(self, type: str, width: int, **options: object) -> None:
        self.lines += ["", f"[{type}]", *(f"{key}={value}" for key, value in options.items())]
        self.widths.append(width)

    def convolution(self, width: int, size: int, stride: int = 1) -> None:
        channels = self.widths[-1] if self.widths else 3
        bias, kernel = self.weights.small(width), self.weights.kernel(width, channels, size, size)
        if width == HEAD:
            self.arrays += [bias, kernel]
            self.section("convolutional", width, filters=width, size=1, stride=1, pad=1, activation="linear")
            return
        statistics = [self.weights.positive(width), self.weights.small(width), self.weights.positive(width)]
        self.arrays += [bias, *statistics, kernel]
        self.section("convolutional", width, batch_normalize=1, filters=width, size=size, stride=stride, pad=1,
                     activation="leaky")  # fmt: skip

    def head(self, width: int, mask: str) -> None:
        for _ in range(3):
            self.convolution(width, 1)
            self.convolution(2 * width, 3)
        self.convolution(HEAD, 1)
        self.section("yolo", HEAD, mask=mask, anchors=ANCHORS, classes=80, num=9)

    def route(self, *layers: int) -> None:
        width = sum(self.widths[layer if layer >= 0 else len(self.widths) + layer] for layer in layers)
        self.section("route", width, layers=",".join(map(str, layers)))

    def body(self) -> None:
        self.convolution(32, 3)
        ends = []
        for width, depth in STAGES:
            self.convolution(width, 3, stride=2)
            for _ in range(depth):
                self.convolution(width // 2, 1)
                self.convolution(width, 3)
                self.section("shortcut", width, **{"from": -3, "activation": "linear"})
            ends.append(len(self.widths) - 1)
        self.head(512, "6,7,8")
        for width, end, mask in ((256, ends[3], "3,4,5"), (128, ends[2], "0,1,2")):
            self.route(-4)
            self.convolution(width, 1)
            self.section("upsample", width, stride=2)
            self.route(-1, end)
            self.head(width, mask)

"""What becomes of uploads that are half a model, two models, damaged, or hostile."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import cases
from tests.workers.formats.darknet.nets import image, normal, read_files, read_net, section, vector
from workers.errors import (
    ConversionError,
    InvalidOptions,
    LimitExceeded,
    MalformedModel,
    MissingFile,
    UnknownFormat,
    UnsupportedOperators,
)

CASE = cases("darknet", "yolov3_tiny")[0]
CFG, WEIGHTS = CASE.files
CONV = section("convolutional", filters=2, size=3, pad=1, activation="leaky")
PARAMETERS = [normal(2), normal(2, 3, 3, 3)]


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


# --- halves and extras ------------------------------------------------------------------------------------------------


def test_a_lone_cfg_asks_for_its_weights() -> None:
    with pytest.raises(MissingFile, match=r"yolov3_tiny\.cfg") as caught:
        read_files(CFG)
    assert caught.value.hint is not None and "yolov3_tiny.weights" in caught.value.hint


def test_lone_weights_ask_for_their_cfg() -> None:
    with pytest.raises(MissingFile, match=r"yolov3_tiny\.weights") as caught:
        read_files(WEIGHTS)
    assert caught.value.hint is not None and "yolov3_tiny.cfg" in caught.value.hint


def test_names_and_data_are_ignored_with_a_note(tmp_path: Path) -> None:
    names = write(tmp_path, "coco.names", b"person\nbicycle\ntraffic light\n")
    data = write(tmp_path, "coco.data", b"classes= 3\ntrain = train.txt\nnames = coco.names\nbackup = backup/\n")
    reading = read_files(names, CFG, data, WEIGHTS)
    assert reading.files == (CFG.name, WEIGHTS.name)
    notes = {note.where: note.detail for note in reading.notes if note.code == "ignored-file"}
    assert "class names" in notes["coco.names"] and "command line" in notes["coco.data"]


def test_class_names_alone_lack_the_net(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="class names"):
        read_files(write(tmp_path, "coco.names", b"person\nbicycle\n"))


def test_two_nets_are_one_too_many(tmp_path: Path) -> None:
    other = write(tmp_path, "other.cfg", CFG.read_bytes())
    with pytest.raises(InvalidOptions, match=r"other\.cfg"):
        read_files(CFG, other, WEIGHTS)


def test_misleading_names_do_not_mislead(tmp_path: Path) -> None:
    cfg, weights = (write(tmp_path, n, p.read_bytes()) for n, p in (("model.weights", CFG), ("net.cfg", WEIGHTS)))
    assert read_files(cfg, weights).files == ("model.weights", "net.cfg")


def test_files_of_nothing_are_unknown(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match=r"some\.txt"):
        read_files(write(tmp_path, "some.txt", b"a text = of {nothing}"))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG image"), (b"", "empty"), (b"<html></html>", "an HTML page")],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(MalformedModel, match=words):
        read_files(CFG, write(tmp_path, "yolo.weights", content))


# --- weights that do not fit ------------------------------------------------------------------------------------------


def test_truncated_weights_give_both_sizes_and_the_first_layer_without(tmp_path: Path) -> None:
    whole = WEIGHTS.read_bytes()
    with pytest.raises(MalformedModel) as caught:
        read_files(CFG, write(tmp_path, "cut.weights", whole[:100_000]))
    assert f"{len(whole):,} bytes" in str(caught.value) and "100,000 bytes" in str(caught.value)
    assert caught.value.layer == "convolutional_10"


def test_longer_weights_belong_to_another_net(tmp_path: Path) -> None:
    whole = WEIGHTS.read_bytes()
    with pytest.raises(MalformedModel, match="another net") as caught:
        read_files(CFG, write(tmp_path, "long.weights", whole + bytes(40)))
    assert f"{len(whole):,}" in str(caught.value) and f"{len(whole) + 40:,}" in str(caught.value)


def test_weights_that_end_within_a_number_are_damaged(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match="no whole number of float32"):
        read_files(CFG, write(tmp_path, "cut.weights", WEIGHTS.read_bytes()[:-3]))


# --- layers -----------------------------------------------------------------------------------------------------------


def test_all_layers_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    cfg = image(3, 8, 8) + CONV + section("shift_channels", from_=1) + section("convolutional", xnor=1, filters=2)
    with pytest.raises(UnsupportedOperators) as caught:
        read_net(tmp_path, cfg + section("control_channels"), PARAMETERS)
    assert [item.type for item in caught.value.items] == ["shift_channels", "control_channels"]
    with pytest.raises(UnsupportedOperators, match="GPU"):
        read_net(tmp_path, image(3, 8, 8) + section("convolutional", xnor=1, filters=2), PARAMETERS)


REFUSED = [
    (section("convolutional", sway=1, size=3), "deformed"),
    (section("convolutional", coordconv=1), "coordinates"),
    (section("convolutional", dontload=1), "random"),
    (section("connected", dontload=1), "random"),
    (section("deconvolutional", dontload=1), "random"),
    (section("lstm", dontload=1), "random"),
    (section("local", size=5, pad=1), "mixes up"),
    (section("conv_lstm", bottleneck=1), "bottleneck"),
    (section("conv_lstm", lstm_activation="relu"), "lstm_activation"),
    (section("crnn", mosaic=1, xnor=1, size=3, pad=1, stride_x=1), "xnor"),
    (section("local_avgpool", size=2, stride=1, padding=6), "divides by zero"),
]


@pytest.mark.parametrize(("layer", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_darknet_computes_differently_on_every_machine_is_refused(tmp_path: Path, layer: str, words: str) -> None:
    with pytest.raises(UnsupportedOperators, match=words):
        read_net(tmp_path, image(4, 8, 8) + layer, [normal(4)])


MALFORMED = [
    (image(3, 8, 8), "no layers"),
    (section("net", width=8) + CONV, "no input size"),
    (image(3, 8, 8) + section("convolutional", filters=-1), "filters=-1"),
    (image(3, 8, 8) + section("convolutional", filters=0), "filters=0"),
    (image(3, 8, 8) + section("convolutional", filters=4, groups=2), "3 channels"),
    (image(3, 8, 8) + section("convolutional", filters=4, stride=0), "stride=0"),
    (image(3, 8, 8) + section("convolutional", filters=4, size=9), "kernel of 9"),
    (image(3, 8, 8) + section("convolutional", filters="1e9"), "whole number"),
    (image(3, 8, 8) + section("convolutional", filters="99999999999"), "32 bits"),
    (section("net", width="1e9", height=1, channels=1) + CONV, "whole number"),
    (image(3, 8, 8) + section("convolutional", size=3, dilation=2), "padding must be"),
    (image(3, 8, 8) + section("convolutional", share_index=0), "does not stand before"),
    (image(3, 8, 8) + section("route", layers="-999"), "refers to layer -999"),
    (image(3, 8, 8) + section("route", layers=0), "refers to layer 0"),
    (image(3, 8, 8) + CONV + section("route", layers="5"), "refers to layer 5"),
    (image(3, 8, 8) + CONV + section("route"), "must say layers="),
    (image(3, 8, 8) + CONV + section("shortcut", activation="linear"), "must say from="),
    (image(3, 8, 8) + CONV + section("route", layers="-1", groups=3), "2 channels do not make 3"),
    (image(3, 8, 8) + CONV + section("route", layers="-1", groups=2, group_id=2), "group_id=2"),
    (image(3, 8, 8) + section("yolo", mask="0,1", num=2, classes=1), "3 channels where 2 anchors"),
    (image(12, 8, 8) + section("yolo", mask="0,7", num=2, classes=1), "beyond the 2"),
    (image(3, 8, 8) + section("region", num=1, classes=4), "3 channels"),
    (image(3, 8, 8) + section("detection", side=2), "values"),
    (image(3, 8, 8) + section("iseg", classes=3, ids=3), "3 classes"),
    (image(3, 8, 8) + section("softmax", groups=5), "equal groups"),
    (image(3, 8, 8) + section("softmax", temperature=0), "temperature is 0"),
    (image(3, 8, 8) + section("reorg", stride=2), "3 channels"),
    (image(4, 7, 8) + section("reorg", stride=2), "7x8"),
    (image(4, 7, 8) + section("reorg3d", stride=2), "7x8"),
    (image(3, 8, 8) + section("crop", crop_height=9, crop_width=8), "9x8 out of 8x8"),
    (image(3, 8, 8) + section("upsample", stride=0), "stride=0"),
    (image(3, 8, 8) + section("upsample", stride=-3), "divide by 3"),
    (image(2, 8, 8) + section("normalization", size=5), "needs more than the 2"),
    (image(3, 8, 8) + section("maxpool", maxpool_depth=1, out_channels=4), "out_channels=4"),
    (image(3, 8, 8) + CONV + section("maxpool", stride=2) + section("shortcut", **{"from": 0, "weights_type": "none"}),
     "pixels"),
    (image(3, 8, 8) + CONV + section("shortcut", **{"from": 0, "weights_type": "all"}), "weights_type=all"),
    (image(3, 8, 8) + CONV + section("scale_channels", **{"from": 0}), "is needed to scale"),
    (image(3, 8, 8) + CONV + section("avgpool") + section("sam", **{"from": 0}), "multiplies"),
    (image(3, 8, 8, time_steps=2) + section("crnn", size=3, stride_x=1), "keep the size"),
    (vector(5) + section("convolutional", filters=2, size=3), "kernel of 3"),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "words"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_cfg_that_darknet_would_not_run_is_malformed(tmp_path: Path, cfg: str, words: str) -> None:
    with pytest.raises(MalformedModel, match=words):
        read_net(tmp_path, cfg, PARAMETERS)


def test_an_error_names_line_and_layer(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match=r"'maxpool_1' \(line 10\)") as caught:
        read_net(tmp_path, image(3, 8, 8) + CONV + section("maxpool", size=-2), PARAMETERS)
    assert caught.value.layer == "maxpool_1" and caught.value.op == "maxpool"


HOSTILE = [
    image(3, 1_000_000_000, 1_000_000_000) + CONV,
    image(2_000_000_000, 8, 8) + CONV,
    vector(2_000_000_000) + section("connected", output=2_000_000_000),
    image(3, 8, 8) + section("convolutional", filters=2_000_000_000, size=3, pad=1),
    image(3, 8, 8) + section("convolutional", filters=2, size=2_000_000_000, pad=1),
    image(3, 8, 8) + section("maxpool", size=2_000_000_000, stride=1),
    image(3, 8, 8) + CONV + section("upsample", stride=2_000_000_000),
    image(3, 8, 8) + CONV + section("upsample", stride=16_000) * 4,
    image(3, 8, 8) + CONV + section("route", layers=",".join(["-1"] * 10**6)),
    image(3, 8, 8) + CONV + section("route", layers=",".join(["-1"] * 1000)) * 9,
    image(3, 8, 8) + section("dropout") * 10**6,
    image(3, 8, 8) + section("avgpool") * 10**5,
    vector(8, time_steps=2_000_000_000) + section("rnn", output=2_000_000_000),
    vector(8) + section("gru", output=1_000_000, batch_normalize=1),
    image(3, 8, 8) + section("implicit", filters=2_000_000_000),
    image(3, 8, 8) + section("history", history_size=2_000_000_000),
    image(3, 2000, 2000) + section("local", filters=1000, size=64),
    image(3, 8, 8) + section("reorg", extra=2_000_000_000),
    image(3, 8, 8) + section("yolo", num=2_000_000_000, classes=2_000_000_000),
]


@pytest.mark.parametrize("cfg", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_sizes_end_in_a_limit_or_a_malformed_model_and_soon(tmp_path: Path, cfg: str) -> None:
    start = time.monotonic()
    with pytest.raises((LimitExceeded, MalformedModel)):
        read_net(tmp_path, cfg, PARAMETERS)
    assert time.monotonic() - start < 20


def test_headers_of_strange_numbers_do_not_break_reading(tmp_path: Path) -> None:
    for numbers in ((2**31 - 1, 2**31 - 1, 0), (-(2**31), 0, 0), (0, 0, 1)):
        content = struct.pack("<3i", *numbers) + bytes(8) + np.ones(100, np.float32).tobytes()
        with pytest.raises(ConversionError):
            read_files(CFG, write(tmp_path, "x.weights", content))

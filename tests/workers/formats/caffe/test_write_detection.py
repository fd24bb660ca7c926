"""DetectionOutput in all its forms, read, found again and written: OpenCV and our reader agree with numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.caffe.nets import layer, net, read_net
from tests.workers.formats.caffe.test_read_detection import BATCH, CLASSES, COUNT, priors, reference, scores
from tests.workers.formats.caffe.write_cases import in_opencv, read_back, written
from tests.workers.formats.cases import assert_same, run
from workers.errors import UnsupportedOperators
from workers.formats.caffe.file import read_caffemodel
from workers.hub.graph import GraphBuilder
from workers.hub.normalise import normalise
from workers.options import DEFAULTS
from workers.toolchains import ToolRefused

PLAIN: dict[str, Any] = {
    "num_classes": CLASSES, "code_type": "CENTER_SIZE", "keep_top_k": 20, "confidence_threshold": 0.2,
    "nms_param": {"nms_threshold": 0.45, "top_k": 15},
}  # fmt: skip
FORMS: dict[str, dict[str, Any]] = {
    "centres": {},
    "corners": {"code_type": "CORNER"},
    "corner sizes": {"code_type": "CORNER_SIZE"},
    "encoded": {"variance_encoded_in_target": True},
    "own locations": {"share_location": False},
    "other background": {"background_label_id": 2},
    "no background": {"background_label_id": -1},
    "everything kept": {"keep_top_k": -1, "nms_param": {"nms_threshold": 0.3, "top_k": 40}},
    "no threshold": {"confidence_threshold": None},
}


def locations(share: bool) -> Any:
    rng = np.random.default_rng(4)
    return (rng.normal(size=(BATCH, COUNT * 4 * (1 if share else CLASSES))) * 0.3).astype(np.float32)


@pytest.mark.parametrize("form", FORMS)
def test_the_layer_comes_back_with_its_parameters(form: str, tmp_path: Path) -> None:
    parameter = {key: value for key, value in {**PLAIN, **FORMS[form]}.items() if value is not None}
    share = parameter.get("share_location", True)
    inputs = {"loc": locations(share), "conf": scores().reshape(BATCH, -1)}
    shapes = {name: array.shape for name, array in inputs.items()}
    box = layer("Parameter", [], "prior", (priors(),), parameter_param={"shape": {"dim": [1, 2, COUNT * 4]}})
    detection = layer("DetectionOutput", ["loc", "conf", "prior"], "found", detection_output_param=parameter)
    hub, _ = normalise(read_net(tmp_path, net(shapes, box, detection)).model, DEFAULTS)
    want = {"found": reference(inputs["loc"], scores(), priors(), parameter)}
    assert_same(want, run(hub, inputs))

    folder, files = written(hub.clone(), tmp_path)

    made = next(
        entry for entry in read_caffemodel((folder / "model.caffemodel").read_bytes()).layer
        if entry.type == "DetectionOutput"
    )  # fmt: skip
    p = made.detection_output_param
    for name in ("num_classes", "share_location", "background_label_id", "keep_top_k"):
        default = {"share_location": True, "background_label_id": 0, "keep_top_k": -1}
        assert p[name] == parameter.get(name, default.get(name)), name
    assert p.nms_param.top_k == parameter["nms_param"]["top_k"]
    assert_same(want, run(read_back(folder, files, hub), inputs))
    paths = [folder / name for name in files.files]
    if form in ("no background", "everything kept"):
        with pytest.raises(ToolRefused, match="needs keep_top_k and a background label"):
            in_opencv(paths, inputs, files.output_names, folder / "work")
        return
    assert_same(want, in_opencv(paths, inputs, files.output_names, folder / "work").outputs)


def test_suppression_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Without the rest of the layer around it there is nothing to find again."""
    g = GraphBuilder()
    boxes, conf = g.input("boxes", [1, 9, 4]), g.input("conf", [1, 3, 9])
    with g.layer("nms", "NonMaxSuppression"):
        chosen = g.NonMaxSuppression(boxes, conf, np.asarray([5]), np.float32([0.5]), np.float32([0.1]))
        g.output(g.Cast(chosen, to=1), "chosen")
    with pytest.raises(UnsupportedOperators, match="only inside the SSD fork's DetectionOutput"):
        written(g.model(), tmp_path)

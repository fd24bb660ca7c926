"""Reports as the pipeline makes them: verified, mismatched, refused, failed early, and one full of hostile names."""

from __future__ import annotations

import math

from workers.report.schema import (
    Change,
    Comparison,
    Divergence,
    File,
    Hub,
    Latency,
    Layer,
    LayerError,
    Metrics,
    Note,
    Report,
    Sample,
    Source,
    Stage,
    Target,
    Tensor,
    Verdict,
)

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5, "cosine": 0.99999}


def metrics(name: str = "prob", ratio: float = 0.031, problem: str | None = None, batch: int = 1) -> Metrics:
    return Metrics(
        name=name,
        shape=[batch, 1000],
        dtype="float32",
        max_abs=ratio * 1.1e-5 if math.isfinite(ratio) else math.inf,
        max_rel=ratio * 3e-4,
        normalised=ratio * 1e-4,
        cosine=1 - min(1.0, ratio * 1e-7),
        snr_db=134.2 if ratio else math.inf,
        nonfinite_agree=True,
        argmax_agree=ratio < 1,
        ratio=ratio,
        passed=ratio <= 1 and problem is None,
        problem=problem,
    )


def sample(name: str, batch: int, *tensors: Metrics, user: bool = False) -> Sample:
    return Sample(
        name=name,
        origin="user" if user else "drawn",
        seed=None if user else 0,
        shapes={"data": [batch, 3, 224, 224]},
        tensors=list(tensors),
    )


def comparison(subject: str, against: str, ratio: float, verdict: Verdict = "verified", reason: str = "") -> Comparison:
    return Comparison(
        subject=subject,
        against=against,
        verdict=verdict,
        reason=reason,
        provider="CPUExecutionProvider",
        tolerance=TOLERANCE,
        samples=[
            sample("drawn 1", 1, metrics(ratio=ratio), metrics("pool5", ratio / 9)),
            sample("batch = 3", 3, metrics(ratio=ratio / 2, batch=3), metrics("pool5", ratio / 20, batch=3)),
        ],
        latency=[Latency(runtime=against, seconds=0.0123 if against == "torch 2.13" else 0.0181, runs=20)],
    )


def file(name: str, size: int) -> File:
    return File(name=name, size=size, sha256=DIGEST)


def hub() -> Hub:
    return Hub(
        opset=21,
        inputs=[Tensor(name="data", dtype="float32", shape=["batch", 3, 224, 224])],
        outputs=[
            Tensor(name="prob", dtype="float32", shape=["batch", 1000]),
            Tensor(name="pool5", dtype="float32", shape=["batch", 512, 7, 7]),
        ],
        nodes=41,
        parameters=138_357_544,
        operators={"Conv": 13, "Relu": 15, "MaxPool": 5, "Gemm": 3, "Flatten": 1, "LRN": 2, "Softmax": 1, "Reshape": 1},
        layers={"Convolution": 13, "ReLU": 15, "Pooling": 5, "InnerProduct": 3, "LRN": 2, "Dropout": 2, "Softmax": 1},
        changes=[
            Change(
                name="drop-identity",
                detail="Identity nodes were removed; their readers take the tensor itself.",
                count=2,
                layers=["drop6", "drop7"],
            ),
            Change(name="explicit-defaults", detail="Default attributes were written out.", count=37),
        ],
        files=[file("hub.onnx", 553_438_120)],
    )


def source() -> Source:
    return Source(
        format="caffe",
        title="Caffe",
        version="V1 layers",
        evidence="deploy.prototxt is a net of 41 layers in text format, VGG.caffemodel holds 16 layers with weights",
        files=[file("deploy.prototxt", 5_312), file("VGG_ILSVRC_16_layers.caffemodel", 553_432_081)],
        notes=[Note(code="upgraded", detail="The net was upgraded from the V1 layer format.")],
    )


def verified() -> Report:
    return Report(
        engine="onnxhub 0.1.0",
        verdict="verified",
        source=source(),
        hub=hub(),
        comparisons=[
            comparison("hub", "user samples", 0.031),
            comparison("hub", "OpenCV 4.12", 0.22, reason="no reference for the output 'pool4'"),
        ],
        targets=[
            Target(
                format="pytorch",
                title="PyTorch",
                verdict="verified",
                files=[file("pytorch/model.py", 4_210), file("pytorch/model.safetensors", 553_432_900)],
                changes=[
                    Change(name="flatten-gemm", detail="Gemm becomes a linear layer.", count=3, layers=["fc6", "fc7"])
                ],
                comparisons=[comparison("pytorch", "torch 2.13", 0.0)],
            ),
        ],
        stages=[
            Stage(name="inspect", status="succeeded", seconds=0.021),
            Stage(name="read", status="succeeded", seconds=1.2),
            Stage(name="normalise", status="succeeded", seconds=0.94),
            Stage(name="check", status="succeeded", seconds=4.1),
            Stage(name="write:pytorch", status="succeeded", seconds=1.01),
            Stage(name="verify:pytorch", status="succeeded", seconds=6.3),
            Stage(name="write:caffe", status="succeeded", seconds=0.8),
            Stage(name="verify:caffe", status="succeeded", seconds=3.3),
        ],
        sandbox=[
            Layer(name="limits on time, memory and files", held=True),
            Layer(name="no new privileges", held=True),
            Layer(name="Landlock", held=True, detail="ABI 4"),
            Layer(name="seccomp", held=False, detail="the kernel has no seccomp filter support"),
        ],
        environment={
            "python": "3.11.7",
            "onnx": "1.23.0",
            "onnxruntime": "1.32.0",
            "numpy": "2.4.2",
            "opencv": "4.12.0",
        },
        options={"phase": "TEST", "dynamic_batch": True, "input_shapes": {"data": ["batch", 3, 224, 224]}},
        samples=[file("samples/sample_0.npz", 606_320), file("samples/sample_1.npz", 1_818_200)],
    )


def unproven() -> Report:
    """A second target whose only runtime is known to be wrong about such a model."""
    report = verified()
    target = Target(format="caffe", title="Caffe", verdict="unverified",
                files=[file("caffe/model.prototxt", 5_100), file("caffe/model.caffemodel", 553_432_000)],
                notes=[Note(code="fixed-batch", detail="Caffe stores a batch; 1 was written.", where="data")],
                comparisons=[
                    comparison(
                        "caffe", "OpenCV 4.12", 3400.0, "unverified",
                        "'prob' on the sample drawn 1: max|a-b| is 0.037, 3.4e+03 times what is tolerated. This proves "
                        "nothing, because OpenCV ignores cont",
                    ).model_copy(update={"doubts": ["OpenCV ignores cont and starts every sequence anew"]})
                ],
            )  # fmt: skip
    return report.model_copy(update={"verdict": "unverified", "targets": [*report.targets, target]})


def layer_errors(culprit: int = 13, count: int = 40) -> list[LayerError]:
    """Rounding noise, then one layer that is wrong, whose error the later ones carry on."""
    errors = []
    for index in range(count):
        noise = 0.004 * (1 + (index * 7919 % 13) / 3)
        wrong = index == culprit
        errors.append(
            LayerError(
                tensor=f"conv{index}",
                layer=f"conv{index}",
                layer_type="Convolution" if index % 2 == 0 else "ReLU",
                op="Conv" if index % 2 == 0 else "Relu",
                accumulated=noise if index < culprit else 2100.0 / (1 + 0.08 * (index - culprit)),
                local=2100.0 if wrong else noise / 3,
                passed=not wrong,
            )
        )
    return errors


def mismatched() -> Report:
    report = verified()
    held = comparison(
        "pytorch", "onnxruntime", 2100.0, "mismatched",
        "'prob' on the sample drawn 1: max|a-b| is 0.0231, 2.1e+03 times what is tolerated; 3 more tensors disagree",
    )  # fmt: skip
    held.divergence = Divergence(
        layer="conv13",
        layer_type="ReLU",
        op="Relu",
        tensor="conv13",
        detail="Written alone and fed with onnxruntime's tensors, 'conv13' gives 'conv13' with max|a-b| = 0.0231; the "
        "layers before agree.",
        model="pytorch/divergence.onnx",
        sample="pytorch/divergence.npz",
        layers=layer_errors(),
    )
    target = report.targets[0].model_copy(update={"verdict": "mismatched", "comparisons": [held]})
    return report.model_copy(update={"verdict": "mismatched", "targets": [target]})


UNSUPPORTED = {
    "type": "unsupported-op",
    "title": "The model has operators that cannot be converted",
    "detail": "3 layers cannot be converted (caffe): ...",
    "stage": "read",
    "retryable": False,
    "hint": "Give a definition of the layer types as ONNX functions in custom_ops.onnxtxt.",
    "unsupported": [
        {"layer": "roi_pool5", "op": "ROIPooling", "reason": "is no layer of BVLC Caffe or its SSD fork"},
        {"layer": "roi_pool6", "op": "ROIPooling", "reason": "is no layer of BVLC Caffe or its SSD fork"},
        {"layer": "proposal", "op": "Python", "reason": "runs the user's Python code, which is never executed"},
    ],
}


def refused_source() -> Report:
    """Read as far as recognising it; no hub."""
    return Report(
        engine="onnxhub 0.1.0",
        verdict=None,
        source=source(),
        stages=[
            Stage(name="inspect", status="succeeded", seconds=0.02),
            Stage(name="read", status="failed", seconds=0.4),
        ],
        error=UNSUPPORTED,
    )


def refused_target() -> Report:
    report = verified()
    target = Target(format="caffe", title="Caffe", verdict=None, error={**UNSUPPORTED, "stage": "write:caffe"})
    return report.model_copy(update={"targets": [report.targets[0], target], "error": target.error})


def unknown() -> Report:
    """Nothing was even recognised."""
    return Report(
        engine="onnxhub 0.1.0",
        verdict=None,
        stages=[Stage(name="inspect", status="failed", seconds=0.003)],
        error={
            "type": "unknown-format",
            "title": "The files are of no known format",
            "detail": "cat.png begins like a PNG image; no format recognises it.",
            "file": "cat.png",
            "hint": "Name the format with source, or see GET /v1/formats.",
            "retryable": False,
        },
    )


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}{% raw %}",
    "\u202egnp.exe",
    "\x1b[31mred\x1b[0m\x07",
    "javascript:alert(1)",
    "</style><script>x</script>",
    "A" * 20_000,
    "\ud800lone",
    "line\nbreak\u2028and\x00nul",
)


def hostile() -> Report:
    """Every text of a report that an upload or a foreign runtime can choose."""
    name = HOSTILE.__getitem__
    files = [file(text, 1) for text in HOSTILE]
    notes = [Note(code=text[:50], detail=text, where=text) for text in HOSTILE]
    changes = [Change(name=text, detail=text, count=1, layers=list(HOSTILE)) for text in HOSTILE]
    tensors = [Tensor(name=text, dtype=text, shape=[text, 3, None]) for text in HOSTILE]
    errors = [
        LayerError(
            tensor=text, layer=text, layer_type=text, op=text, accumulated=math.inf, local=math.inf, passed=False
        )
        for text in HOSTILE
    ]
    held = Comparison(
        subject=name(0), against=name(1), verdict="mismatched", reason=name(4), provider=name(6),
        tolerance={**TOLERANCE},
        samples=[Sample(name=text, origin="user", seed=None, shapes={text: [1]},
                        tensors=[metrics(text, math.inf, text)]) for text in HOSTILE],
        latency=[Latency(runtime=text, seconds=0.1, runs=1) for text in HOSTILE],
        doubts=list(HOSTILE),
        divergence=Divergence(layer=name(0), layer_type=name(1), op=name(2), tensor=name(3), detail=name(4),
                              model=name(5), sample=name(6), layers=errors),
    )  # fmt: skip
    error = {"type": name(0), "title": name(1), "detail": name(2), "stage": name(3), "file": name(4), "layer": name(5),
             "op": name(6), "hint": name(8),
             "unsupported": [{"layer": t, "op": t, "reason": t} for t in HOSTILE]}  # fmt: skip
    counts = {text: 1 for text in HOSTILE}
    return Report(
        engine=name(0),
        verdict="mismatched",
        source=Source(format=name(0), title=name(1), version=name(4), evidence=name(7), files=files, notes=notes),
        hub=Hub(opset=21, inputs=tensors, outputs=tensors, nodes=1, parameters=1, operators=counts, layers=counts,
                changes=changes, files=files),
        comparisons=[held],
        targets=[Target(format=name(0), title=text, verdict=None, files=files, changes=changes, notes=notes,
                        comparisons=[held], error=error) for text in HOSTILE[:3]],
        stages=[Stage(name=text, status="failed", seconds=1.0) for text in HOSTILE],
        sandbox=[Layer(name=text, held=False, detail=text) for text in HOSTILE],
        environment={text: text for text in HOSTILE},
        options={text: {text: [text]} for text in HOSTILE},
        samples=files,
        error=error,
    )  # fmt: skip

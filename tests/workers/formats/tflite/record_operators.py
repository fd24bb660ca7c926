"""Record single operators with TensorFlow Lite itself: ``python record_operators.py`` in an environment with
``tensorflow`` and ``ai-edge-litert``.

Small functions go through TensorFlow's converter, what that never writes is put into a flatbuffer by hand
(``handmade.py``). Every file is run by the interpreter's built-in kernels without delegates, on two inputs. The result
is ``tests/models/tflite/operators.zip``: ``<name>.tflite`` and ``<name>.npz`` (``input_<sample>_<i>``,
``output_<sample>_<i>``) a case. With names behind it only those are recorded and take their places in the archive.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

sys.path.insert(0, str(Path(__file__).parent))
import audio  # noqa: F401 (registers its files)
from converted import CASES, Case
from handmade import FILES
from whole import MODELS, WHOLE

TARGET = Path(__file__).parents[3] / "models" / "tflite" / "operators.zip"


def inputs(details: list[dict[str, Any]], case: Any, sample: int) -> list[Any]:
    """Drawn to suit type and range; the batch of the second sample is 3 where it is free."""
    rng = np.random.default_rng(100 + sample)
    found = []
    for place, detail in enumerate(details):
        given = case.values.get(place)
        if given is not None:
            found.append(np.asarray(given[sample % len(given)], detail["dtype"]))
            continue
        free = list(detail["shape_signature"])
        shape = [(1, 3)[sample] if size < 0 else size for size in free]
        found.append(draw(rng, shape, detail, case))
    return found


def draw(rng: np.random.Generator, shape: list[int], detail: dict[str, Any], case: Any) -> Any:
    dtype = np.dtype(detail["dtype"])
    low, high = case.span
    if dtype.kind == "b":
        return rng.random(shape) > 0.5
    scale, zero = detail["quantization"]
    if scale:
        info = np.iinfo(dtype)
        real = rng.uniform(low, high, shape)
        return np.clip(np.round(real / scale + zero), info.min, info.max).astype(dtype)
    if dtype.kind in "iu":
        return rng.integers(*case.whole, shape).astype(dtype)
    return rng.uniform(low, high, shape).astype(dtype)


def run(model: bytes, case: Any) -> dict[str, Any]:
    arrays = {}
    for sample in (0, 1):
        kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_content=model, experimental_op_resolver_type=kind)
        details = interpreter.get_input_details()
        values = inputs(details, case, sample)
        for detail, value in zip(details, values, strict=True):
            if list(detail["shape"]) != list(value.shape):
                interpreter.resize_tensor_input(detail["index"], value.shape)
        interpreter.allocate_tensors()
        for place, (detail, value) in enumerate(zip(details, values, strict=True)):
            interpreter.set_tensor(detail["index"], value)
            arrays[f"input_{sample}_{place}"] = value
        interpreter.invoke()
        for place, detail in enumerate(interpreter.get_output_details()):
            arrays[f"output_{sample}_{place}"] = interpreter.get_tensor(detail["index"])
    return arrays


def convert(case: Case) -> bytes:
    function = tf.function(case.function, input_signature=[tf.TensorSpec(s, d) for s, d in case.specs])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if case.quantise:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if case.quantise == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if case.quantise in ("int8", "uint8", "int16"):
        rng = np.random.default_rng(7)

        def samples() -> Any:
            for _ in range(16):
                yield [
                    rng.uniform(*case.span, [size or 1 for size in shape]).astype(np.float32) for shape, _ in case.specs
                ]

        converter.representative_dataset = samples
        ops = tf.lite.OpsSet
        wide = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide if case.quantise == "int16" else ops.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(case.quantise)
    return bytes(converter.convert())


def record(names: list[str], folder: Path) -> None:
    """One file and its runs a name; a failure is told and does not stop the others."""
    for name in names:
        (folder / "current").write_text(name)
        try:
            if name in MODELS:
                (folder / f"{name}.model.tflite").write_bytes(MODELS[name]())
                continue
            case = CASES.get(name) or WHOLE.get(name) or FILES[name]
            model = convert(case) if isinstance(case, Case) else case.model()
            arrays = run(model, case)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[-400:]}", flush=True)
            continue
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        (folder / f"{name}.tflite").write_bytes(model)
        (folder / f"{name}.npz").write_bytes(buffer.getvalue())


def main(names: list[str]) -> None:
    """The converter and the interpreter abort their process now and then: they work in a child, begun again."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        left = names or [*CASES, *WHOLE, *FILES, *MODELS]
        while left:
            child = subprocess.run([sys.executable, __file__, "--record", place, *left], stderr=subprocess.DEVNULL)
            if child.returncode == 0:
                break
            stopped = (folder / "current").read_text()
            print(f"{stopped}: the process ended with {child.returncode}")
            left = left[left.index(stopped) + 1 :]
        files = [path for path in folder.iterdir() if path.suffix]
        kept = {}
        if names:
            with zipfile.ZipFile(TARGET) as archive:
                kept = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(TARGET, "w") as archive:
            for name, data in sorted({**kept, **{path.name: path.read_bytes() for path in files}}.items()):
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        wanted = names or [*CASES, *WHOLE, *FILES, *MODELS]
        print(f"{sum(path.suffix == '.tflite' for path in files)} of {len(wanted)} recorded")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--record"]:
        record(sys.argv[3:], Path(sys.argv[2]))
    else:
        main(sys.argv[1:])

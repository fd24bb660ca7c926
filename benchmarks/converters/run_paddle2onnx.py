"""Convert with paddle2onnx: python run_paddle2onnx.py paddle CASE.json TARGET FILE..."""

import os
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import paddle
import paddle2onnx

OPSET = 18


def main(system: str, case: str, target: str, *files: str) -> None:
    paths = [Path(name) for name in files]
    model = next(path for path in paths if path.name == "__model__" or path.suffix in (".pdmodel", ".json"))
    params = next((path for path in paths if path.suffix == ".pdiparams"), None)
    if params is None and len(paths) > 1:
        model, params = merged(model.parent)
    paddle2onnx.export(str(model), str(params or ""), save_file=target, opset_version=OPSET)
    if os.path.getsize(target) == 0:
        sys.exit("paddle2onnx has written an empty file")


def merged(folder: Path) -> "tuple[Path, Path]":
    """Parameters in files of their own, which paddle2onnx does not take, put together by Paddle itself."""
    paddle.enable_static()
    executor = paddle.static.Executor(paddle.CPUPlace())
    with getattr(getattr(paddle, "pir_utils", None), "OldIrGuard", nullcontext)():
        program, feeds, fetches = paddle.distributed.io.load_inference_model_distributed(str(folder), executor)
        inputs = [program.global_block().var(name) for name in feeds]
        prefix = Path(tempfile.mkdtemp(), "inference")
        paddle.static.save_inference_model(str(prefix), inputs, fetches, executor, program=program)
    return prefix.with_suffix(".pdmodel"), prefix.with_suffix(".pdiparams")


if __name__ == "__main__":
    main(*sys.argv[1:])

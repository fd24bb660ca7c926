"""Convert with paddle2onnx: python run_paddle2onnx.py paddle CASE.json TARGET FILE..."""

import sys
from pathlib import Path

import paddle2onnx


def main(system: str, case: str, target: str, *files: str) -> None:
    paths = [Path(name) for name in files]
    model = next(path for path in paths if path.name == "__model__" or path.suffix in (".pdmodel", ".json"))
    params = next((str(path) for path in paths if path.suffix == ".pdiparams"), "")
    paddle2onnx.export(str(model), params, save_file=target, opset_version=17)


if __name__ == "__main__":
    main(*sys.argv[1:])

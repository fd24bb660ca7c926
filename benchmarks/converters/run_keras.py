"""Convert with Keras 3's own ``model.export(format="onnx")``: python run_keras.py keras CASE.json TARGET FILE..."""

import sys
from pathlib import Path

import keras
import numpy as np


def main(system: str, case: str, target: str, *files: str) -> None:
    paths = [Path(name) for name in files]
    whole = [path for path in paths if path.suffix in (".h5", ".keras")]
    architecture = [path for path in paths if path.suffix == ".json"]
    if architecture:
        model = keras.models.model_from_json(architecture[0].read_text())
        model.load_weights(whole[0])
    else:
        model = keras.models.load_model(whole[0], compile=False)
    # export() takes the shapes of the last call.
    model(keras.tree.map_structure(lambda x: np.zeros([size or 1 for size in x.shape], x.dtype), model.input))
    model.export(target, format="onnx")


if __name__ == "__main__":
    main(*sys.argv[1:])

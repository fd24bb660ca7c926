"""Convert models with onnx2torch and run them: python onnx2torch_tool.py FOLDER FIRST SAMPLES

Stand-alone: numpy, onnx, torch and onnx2torch. FOLDER holds N.onnx with inputs N_S.npz and gets outputs N_S_out.npz;
SAMPLES is the list of the numbers of samples; one line a case says what became of it.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch  # type: ignore[import-not-found,unused-ignore]
from onnx2torch import convert  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    folder, first, samples = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for index in range(first, len(samples)):
        answer = attempt(folder, index, samples[index])
        print(f"case {index} {' '.join(answer.split())[:400]}", flush=True)


def attempt(folder: Path, index: int, samples: int) -> str:
    """``ok``, ``refused`` with the words of its own error about what it does not know, or ``crashed`` with others."""
    try:
        model = onnx.load(folder / f"{index}.onnx")
        module = convert(model).eval()
    except NotImplementedError as error:
        return f"refused {error}"
    except Exception as error:
        return f"crashed converting: {type(error).__name__}: {error}"
    try:
        for number in range(samples):
            run(folder, index, number, module, len(model.graph.input))
    except NotImplementedError as error:
        return f"refused {error}"
    except Exception as error:
        return f"crashed running: {type(error).__name__}: {error}"
    return "ok"


def run(folder: Path, index: int, number: int, module: torch.nn.Module, count: int) -> None:
    with np.load(folder / f"{index}_{number}.npz", allow_pickle=False) as file:
        given = [torch.from_numpy(np.array(file[f"i{i}"], order="C")) for i in range(count) if f"i{i}" in file.files]
    with torch.no_grad():
        results = module(*given)
    results = results if isinstance(results, (list, tuple)) else [results]
    arrays = {f"o{i}": np.asarray(result.detach().numpy()) for i, result in enumerate(results)}
    np.savez(folder / f"{index}_{number}_out.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()

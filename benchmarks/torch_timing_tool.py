"""Time modules in PyTorch: python torch_timing_tool.py (run FOLDER_OF_MODEL_PY | convert FILE.onnx) FOLDER RUNS

Stand-alone: numpy, torch, and for ``convert`` onnx2torch. FOLDER holds in.npz and gets out.npz; the last line is JSON.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    step, model, folder, runs = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    with np.load(folder / "in.npz") as file:
        given = [torch.from_numpy(file[name]) for name in file.files]
    answer: dict[str, object] = {}
    try:
        module = ours(model) if step == "run" else converted(model, folder, answer)
        answer["infer"] = timed(module, given, folder, runs)
    except Exception as error:
        answer["refused"] = f"{type(error).__name__}: {error}"
    print(json.dumps(answer))


def ours(folder: str) -> "torch.nn.Module":
    sys.path.insert(0, folder)
    from model import load  # type: ignore[import-not-found,unused-ignore]

    return load()


def converted(path: str, folder: Path, answer: dict[str, object]) -> "torch.nn.Module":
    """Load, convert and save, as one step."""
    import onnx
    from onnx2torch import convert  # type: ignore[import-not-found,unused-ignore]

    start = time.perf_counter()
    module = convert(onnx.load(path)).eval()
    torch.save(module, folder / "peer.pt")
    answer["write"] = time.perf_counter() - start
    peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    answer["peak"] = int(peak) * 1024
    return module


def timed(module: "torch.nn.Module", given: "list[torch.Tensor]", folder: Path, runs: int) -> float:
    times = []
    with torch.no_grad():
        results = module(*given)
        for _ in range(runs):
            start = time.perf_counter()
            module(*given)
            times.append(time.perf_counter() - start)
    results = results if isinstance(results, (list, tuple)) else [results]
    np.savez(folder / "out.npz", *[result.numpy() for result in results])
    return statistics.median(times)


if __name__ == "__main__":
    main()

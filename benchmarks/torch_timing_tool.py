"""Time modules in PyTorch: python torch_timing_tool.py OURS FILE.onnx FOLDER RUNS

OURS is a folder with model.py; FILE.onnx is converted by onnx2torch, saved, and both are run by turns on one thread.
Stand-alone: numpy, torch, onnx and onnx2torch. FOLDER holds in.npz, gets ours.npz and peer.npz; the last line is JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    folder, runs = Path(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    with np.load(folder / "in.npz") as file:
        given = [torch.from_numpy(file[name]) for name in file.files]
    answer: dict[str, object] = {}
    modules = {}
    try:
        modules["peer"] = converted(sys.argv[2], folder, answer)
    except Exception as error:
        answer["refused"] = f"{type(error).__name__}: {error}"
    modules["ours"] = ours(sys.argv[1])
    times: dict[str, list[float]] = {name: [] for name in modules}
    for _ in range(runs):
        for name, module in modules.items():
            times[name].append(once(module, given, folder / f"{name}.npz"))
    print(json.dumps({**answer, **{f"{name}_infer": min(each) for name, each in times.items()}}))


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


def once(module: "torch.nn.Module", given: "list[torch.Tensor]", path: Path) -> float:
    """Seconds of one inference, whose results are kept."""
    with torch.no_grad():
        start = time.perf_counter()
        results = module(*given)
        seconds = time.perf_counter() - start
    results = results if isinstance(results, (list, tuple)) else [results]
    np.savez(path, *[result.numpy() for result in results])
    return seconds


if __name__ == "__main__":
    main()

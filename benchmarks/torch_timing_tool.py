"""Convert by onnx2torch, or time one module in PyTorch; each call is a fresh process of one thread.

    python torch_timing_tool.py convert FILE.onnx FOLDER
    python torch_timing_tool.py time MODULE FOLDER RUNS         MODULE: a folder with model.py, or a saved peer.pt

Stand-alone: numpy, torch, onnx and onnx2torch. FOLDER holds in.npz and gets peer.pt, or the results of the module by
its name; the last line is JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]

WARM_UP = 2


def converted(path: str, folder: Path) -> "dict[str, object]":
    """Load, convert and save, as one step."""
    import onnx
    from onnx2torch import convert  # type: ignore[import-not-found,unused-ignore]

    start = time.perf_counter()
    try:
        module = convert(onnx.load(path)).eval()
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    torch.save(module, folder / "peer.pt")
    seconds = time.perf_counter() - start
    peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    return {"write": seconds, "peak": int(peak) * 1024}


def timed(place: Path, folder: Path, runs: int) -> "dict[str, object]":
    """The fewest seconds of processor time of one inference: those waiting for a busy machine do not count."""
    with np.load(folder / "in.npz") as file:
        given = [torch.from_numpy(file[name]) for name in file.files]
    module = loaded(place)
    seconds = []
    with torch.inference_mode():
        for _ in range(WARM_UP):
            results = module(*given)
        for _ in range(runs):
            start = time.process_time()
            results = module(*given)
            seconds.append(time.process_time() - start)
    results = results if isinstance(results, (list, tuple)) else [results]
    np.savez(folder / f"{place.stem}.npz", *[result.numpy() for result in results])
    return {"infer": min(seconds)}


def loaded(place: Path) -> "torch.nn.Module":
    if place.suffix == ".pt":
        return torch.load(place, weights_only=False)
    sys.path.insert(0, str(place))
    from model import load  # type: ignore[import-not-found,unused-ignore]

    return load()


def main() -> None:
    torch.set_num_threads(1)
    step, subject, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    answer = converted(subject, folder) if step == "convert" else timed(Path(subject), folder, int(sys.argv[4]))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()

"""Writing PyTorch: time, peak memory, and how fast the product is, against onnx2torch and onnxruntime.

    python -m benchmarks.writers [NETWORK ...]      both converters get the same file of opset 17
    python -m benchmarks.writers --large            normalising 2.3 GB of weights beside the model

Writing runs in a fresh process. The modules run by turns, each time in a fresh process of one thread; onnxruntime has
one thread too. Inference is measured in processor time, which a busy machine changes least.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import MIB, in_fresh_process, machine

OPSET = 17
RUNS, ROUNDS = 8, 3
LARGE_LAYERS, LARGE_WIDTH = 36, 4096
HERE = Path(__file__).parent


def work(step: str, source: str, target: str) -> None:
    """What is measured in a fresh process."""
    from workers.formats import all_formats
    from workers.formats.contract import ReadRequest, WriteRequest
    from workers.hub.normalise import normalise
    from workers.inspect.upload import Upload

    formats = all_formats()
    read, write = formats["onnx"].read, formats["pytorch"].write
    assert read is not None and write is not None
    if step == "nothing":
        return
    hub, _ = normalise(read(ReadRequest(Upload.of(*sorted(Path(source).iterdir())))).model)
    if step == "write":
        write(WriteRequest(hub, Path(target)))


def prepare() -> None:
    """What a warm worker has imported before the job comes."""
    import workers.preload  # noqa: F401


prepare()


@dataclass(frozen=True, slots=True)
class Product:
    """Seconds to write, peak bytes of doing it, seconds of the fastest inference, largest difference of an output."""

    write: float
    peak: int
    infer: float
    difference: float


def measure(name: str, folder: Path) -> tuple[Product, Product | str, float]:
    """Ours, onnx2torch's (or its refusal), and onnxruntime's seconds."""
    from benchmarks.generated import NETWORKS, inputs_of
    from workers.formats import all_formats
    from workers.formats.contract import WriteRequest
    from workers.hub.normalise import normalise
    from workers.options import Options

    source, ours = folder / "onnx", folder / "ours"
    source.mkdir()
    ours.mkdir()
    write = all_formats()["onnx"].write
    assert write is not None
    hub, _ = normalise(NETWORKS[name]())
    inputs = inputs_of(hub)
    write(WriteRequest(hub, source, options=Options(opset=OPSET, external_data=False)))
    np.savez(folder / "in.npz", *inputs)
    reference, infer = by_onnxruntime(source / "model.onnx", inputs)
    cost = in_fresh_process("benchmarks.writers", "write", str(source), str(ours))
    found = torch_process("convert", str(source / "model.onnx"), str(folder))
    places = [ours] if "refused" in found else [ours, folder / "peer.pt"]
    seconds = {place.stem: float("inf") for place in places}
    for _ in range(ROUNDS):
        for place in places:
            once = torch_process("time", str(place), str(folder), str(RUNS))["infer"]
            seconds[place.stem] = min(seconds[place.stem], once)
    infer = min(infer, by_onnxruntime(source / "model.onnx", inputs)[1])
    mine = Product(cost.seconds, cost.peak, seconds["ours"], off(reference, folder / "ours.npz"))
    if "refused" in found:
        return mine, found["refused"], infer
    return mine, Product(found["write"], found["peak"], seconds["peer"], off(reference, folder / "peer.npz")), infer


def by_onnxruntime(path: Path, inputs: Sequence[Any]) -> tuple[list[Any], float]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {value.name: array for value, array in zip(session.get_inputs(), inputs, strict=True)}
    outputs, times = session.run(None, feeds), []
    for _ in range(RUNS):
        start = time.process_time()
        session.run(None, feeds)
        times.append(time.process_time() - start)
    return [np.asarray(output) for output in outputs], min(times)


def torch_process(*arguments: str) -> Any:
    from benchmarks.peers import ONNX2TORCH

    command = [str(ONNX2TORCH.python()), str(HERE / "torch_timing_tool.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def off(reference: Sequence[Any], path: Path) -> float:
    """The largest difference, as a share of the largest value."""
    with np.load(path) as file:
        outputs = [file[name] for name in file.files]
    return max(
        float(np.abs(a - b).max() / np.abs(a).max()) if a.shape == b.shape else np.inf
        for a, b in zip(reference, outputs, strict=True)
    )


def row(name: str, ours: Product, peer: Product | str, runtime: float) -> str:
    if isinstance(peer, str):
        them = [f"refused: {peer[:60]}", "-", "-", "-"]
    else:
        share = f"{ours.infer / peer.infer:.2f}"
        them = [f"{peer.write:.2f} s", f"{peer.peak / MIB:.0f} MiB", share, f"{peer.difference:.0e}"]
    own = [f"{ours.write:.2f} s", f"{ours.peak / MIB:.0f} MiB", f"{ours.infer / runtime:.2f}", f"{ours.difference:.0e}"]
    cells = [own[0], them[0], own[1], them[1], own[2], them[2], own[3], them[3]]
    return f"| {name} | {' | '.join(cells)} |"


def large(folder: Path) -> str:
    """Normalise a chain of products whose weights lie beside the model."""
    source = folder / "large"
    source.mkdir()
    size = make_large(source / "model.onnx")
    nothing = in_fresh_process("benchmarks.writers", "nothing", str(source), "-")
    cost = in_fresh_process("benchmarks.writers", "normalise", str(source), "-")
    more = (cost.peak - nothing.peak) / MIB
    return (
        f"| {size / 1e9:.1f} GB of external data, read and normalised | {cost.seconds:.2f} s | {more:.0f} MiB beyond "
        f"Python's start |"
    )


def make_large(path: Path) -> int:
    from functools import partial

    import onnx_ir as ir

    from workers.hub.graph import GraphBuilder
    from workers.hub.save import save

    def weights(layer: int) -> ir.TensorProtocol:
        return ir.Tensor(np.roll(base, layer, axis=0) * np.float32(1 + layer / 100))

    base = np.random.default_rng(0).standard_normal((LARGE_WIDTH, LARGE_WIDTH), dtype=np.float32) / 64
    g = GraphBuilder("large")
    x = g.input("x", ["batch", LARGE_WIDTH])
    for layer in range(LARGE_LAYERS):
        lazy = ir.LazyTensor(partial(weights, layer), dtype=ir.DataType.FLOAT, shape=ir.Shape(base.shape))
        x = g.Relu(g.MatMul(g.Reshape(x, g.Shape(x)), g.weight(f"w{layer}", lazy)))
    g.output(x, "y")
    files = save(g.model(), path, external=True)
    return sum(file.stat().st_size for file in files)


def main() -> None:
    from benchmarks.generated import NETWORKS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    print(machine())
    if arguments.large:
        with tempfile.TemporaryDirectory() as folder:
            print(large(Path(folder)))
        return
    print("| network | ours: write | onnx2torch | ours: peak | onnx2torch | ours: inference / onnxruntime | ours / "
          "onnx2torch | ours: off | onnx2torch |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, *measure(name, Path(folder))), flush=True)


if __name__ == "__main__":
    main()

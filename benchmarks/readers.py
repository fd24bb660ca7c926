"""Reading a full-size network of every system to ONNX: time and peak memory against copying its files.

    python -m benchmarks.readers [NETWORK ...] [--folder FOLDER] [--peers]

A network is called after its system (``tflite``), a second one of it with something behind (``tflite_int8``). Each is
written with random weights (``benchmarks/networks``); sniffing, reading, normalising, checking and
saving are measured in a fresh process whose imports a warm worker has behind it. ``--peers`` does
what ``benchmarks.conversions`` does.
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import networks
from benchmarks.measure import MIB, Cost, copy_seconds, in_fresh_process, machine
from benchmarks.networks import Network
from workers.formats import all_formats
from workers.formats.contract import ReadRequest
from workers.hub.check import check
from workers.hub.normalise import normalise
from workers.hub.save import save
from workers.inspect.sniff import sniff
from workers.inspect.upload import Upload
from workers.options import Options
from workers.pipeline import remaining

# What a job imports, a warm worker has imported before.
import_module("workers.preload")

NETWORKS = tuple(module.name for module in pkgutil.iter_modules(networks.__path__))
RUNS = 3


def work(system: str, target: str, options: str, *files: str) -> None:
    """What is measured: the upload must be taken for its own system's."""
    upload = Upload.of(*map(Path, files))
    format, _ = sniff(upload, all_formats(), None)
    if format.name != system or format.read is None:
        raise SystemExit(f"taken for {format.title}")
    chosen = Options(**json.loads(options))
    reading = format.read(ReadRequest(upload, chosen))
    hub, _ = normalise(reading.model, remaining(chosen, reading))
    check(hub)
    save(hub, Path(target))


def measure(system: str, network: Network, folder: Path) -> tuple[float, Cost]:
    """Seconds of copying the largest file, scaled to all of them, and the median cost of reading."""
    largest = max(network.files, key=lambda path: path.stat().st_size)
    copied = copy_seconds(largest, folder / "copy") * network.size / largest.stat().st_size
    costs = []
    for _ in range(RUNS):
        target = folder / "hub.onnx"
        arguments = (system, str(target), json.dumps(network.options), *map(str, network.files))
        costs.append(in_fresh_process("benchmarks.readers", *arguments))
        for path in folder.glob("hub.onnx*"):
            path.unlink()
    return copied, sorted(costs, key=lambda cost: cost.seconds)[RUNS // 2]


def row(name: str, folder: Path) -> str:
    """A line of the table in ``benchmarks/README.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    network: Network = import_module(f"benchmarks.networks.{name}").generate(folder)
    system = name.partition("_")[0]
    copied, cost = measure(system, network, folder)
    return (
        f"| {all_formats()[system].title} | {network.title} | {network.size / MIB:.0f} MiB | {cost.seconds:.2f} s"
        f" | {cost.seconds / copied:.1f} x ({copied:.2f} s) | {cost.peak / MIB:.0f} MiB"
        f" | {cost.peak / network.size:.2f} x |"
    )


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(NETWORKS)}; all, if none is named"
    )
    parser.add_argument("--folder", type=Path, help="keep the generated networks here")
    parser.add_argument(
        "--peers", action="store_true", help="the recorded models by us and by other converters instead"
    )
    options = parser.parse_args(argv)
    if options.peers:
        from benchmarks import conversions  # which loads what the measured processes must not

        return conversions.main(options.networks)
    print(f"machine: {machine()}\n")
    print("| system | network | files | reading | of the copy | peak memory | of the files |")
    print("|---|---|---|---|---|---|---|")
    for name in options.networks or NETWORKS:
        with tempfile.TemporaryDirectory() as temporary:
            print(row(name, (options.folder or Path(temporary)) / name), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

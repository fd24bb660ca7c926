"""Operators that reach out of a graph: into files, processes, other machines, Python. Refused by name, never run.

Nothing of a graph is ever executed here, so this is a second line: a model that holds such an operator where its
outputs need it is refused with the reason, before any of it is read.
"""

from __future__ import annotations

from collections.abc import Iterable

from workers.errors import UnsafeModel
from workers.formats.tensorflow.graph import Graph, Node

_FILES = "it reads or writes files of the machine"
_PYTHON = "it calls Python code of the program that wrote the model"
_REMOTE = "it talks to other devices or machines"
_INPUT = "it reads a data set that is not part of the model"
UNSAFE: dict[str, str] = {
    **dict.fromkeys(
        ("ReadFile", "WriteFile", "MatchingFiles", "Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints", "PrintV2",
         "TextLineReader", "TextLineReaderV2", "WholeFileReader", "WholeFileReaderV2", "TFRecordReader",
         "TFRecordReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "LMDBReader",
         "IdentityReader", "IdentityReaderV2", "ReaderReadV2", "ReaderRead", "LoadDataset", "SaveDataset",
         "SaveDatasetV2", "InitializeTableFromTextFile", "InitializeTableFromTextFileV2", "ImmutableConst",
         "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3", "AudioSummary", "WriteGraphSummary", "WriteSummary",
         "WriteImageSummary", "WriteScalarSummary", "CreateSummaryFileWriter", "CreateSummaryDbWriter"), _FILES),
    **dict.fromkeys(("PyFunc", "PyFuncStateless", "EagerPyFunc", "NumericPyFunc"), _PYTHON),
    **dict.fromkeys(
        ("RemoteCall", "RemoteFusedGraphExecute", "_Send", "_Recv", "_HostSend", "_HostRecv", "Send", "Recv",
         "RpcCall", "Rpc", "TryRpc", "XlaLaunch", "XlaLaunchV2", "TPUReplicatedInput", "TPUExecute",
         "TPUPartitionedCall", "TPUCompile", "CollectiveReduce", "CollectiveReduceV2", "CollectiveGather",
         "CollectiveBcastRecv", "CollectiveBcastSend"), _REMOTE),
    **dict.fromkeys(
        ("BigQueryReader",
         "GenerateBigQueryReaderPartitions", "SqlDataset", "TFRecordDataset", "TextLineDataset",
         "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "GeneratorDataset"), _INPUT),
}  # fmt: skip


def check_safe(nodes: Iterable[tuple[Graph, Node]], file: str) -> None:
    """Raise UnsafeModel naming every node among these that reaches out of the graph, its function, and why."""
    found = [(graph, node) for graph, node in nodes if node.op in UNSAFE]
    if not found:
        return
    graph, node = found[0]
    where = f" of function {graph.name!r}" if graph.name else ""
    more = f"; so are {', '.join(repr(other.name) for _, other in found[1:6])}" if len(found) > 1 else ""
    raise UnsafeModel(
        f"node {node.name!r} ({node.op}){where} in {file!r} is refused: {UNSAFE[node.op]}{more}",
        file=file, layer=node.name, op=node.op,
        hint="Export the network alone, or cut the graph behind this node with the option 'inputs'.",
    )  # fmt: skip

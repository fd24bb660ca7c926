"""From a symbol to the graph that inference runs: outputs, what they need, inputs and parameters told apart.

Loss heads follow their data only, so that labels and everything feeding only them fall away. A variable that no
parameter file names is an input, unless it stands where only parameters stand: then it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from workers.errors import InvalidOptions, MalformedModel, MissingFile
from workers.formats.contract import Note
from workers.formats.mxnet.assemble import Assembled
from workers.formats.mxnet.names import entry_name
from workers.formats.mxnet.slots import DATA_ONLY, PARAMETERS
from workers.formats.mxnet.symbol import Entry, Node, Symbol
from workers.options import Options


@dataclass(slots=True)
class Net:
    """``order``: the operators to read, each after its inputs. ``inputs``: variables by node index, in file order.

    ``cuts``: results of operators that the user made inputs, under the names given.
    """

    symbol: Symbol
    outputs: list[tuple[Entry, str]]
    order: list[int]
    inputs: list[int]
    cuts: dict[Entry, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    @property
    def input_names(self) -> list[str]:
        return [self.symbol.nodes[index].name for index in self.inputs] + list(self.cuts.values())


def build(source: Assembled, options: Options) -> Net:
    """The graph of the wanted outputs.

    Raises MalformedModel for a graph with cycles, InvalidOptions for tensors that are not there, MissingFile or
    MalformedModel for parameters that are in no file.
    """
    symbol = source.symbol
    cuts = {_named(symbol, name, "inputs"): name for name in options.inputs}
    outputs, notes = _outputs(source, options)
    order, variables = _needed(symbol, [entry for entry, _ in outputs], cuts, source.symbol_file)
    used = {entry for index in order for entry in wanted_inputs(symbol.nodes[index])}
    for entry, name in cuts.items():
        if entry not in used and entry not in (output for output, _ in outputs):
            raise InvalidOptions(f"the option 'inputs' names {name!r}, which the outputs do not need")
    _check_parameters(source, options, order, variables)
    inputs = [index for index in sorted(variables) if not _is_parameter(source, options, index)]
    real_cuts = {entry: name for entry, name in cuts.items() if not symbol.nodes[entry[0]].is_variable}
    return Net(symbol, outputs, order, inputs, real_cuts, notes)


def wanted_inputs(node: Node) -> tuple[Entry, ...]:
    """The inputs that count at inference: of a loss only its data."""
    return node.inputs[:1] if node.op in DATA_ONLY else node.inputs


def _is_parameter(source: Assembled, options: Options, index: int) -> bool:
    name = source.symbol.nodes[index].name
    return name in source.params and name not in options.input_shapes


# --- outputs ----------------------------------------------------------------------------------------------------------


def _outputs(source: Assembled, options: Options) -> tuple[list[tuple[Entry, str]], list[Note]]:
    symbol = source.symbol
    if options.outputs:
        return [(_named(symbol, name, "outputs"), name) for name in dict.fromkeys(options.outputs)], []
    heads = [(head, entry_name(symbol.nodes[head[0]], head[1])) for head in symbol.heads]
    if len(heads) == 1:
        return heads, []
    labelled = [head for head in heads if _needs_label(source, options, head[0])]
    if not labelled or len(labelled) == len(heads):
        return heads, []
    notes = [
        Note("training-output", f"The output {name!r} is computed from labels and serves training only; it was cut.",
             symbol.nodes[entry[0]].name)
        for entry, name in labelled
    ]  # fmt: skip
    return [head for head in heads if head not in labelled], notes


def _needs_label(source: Assembled, options: Options, head: Entry) -> bool:
    """Whether this output hangs on a variable that can only be a label: so named, without a value or a given shape."""
    _, variables = _needed(source.symbol, [head], {}, source.symbol_file)
    names = {source.symbol.nodes[index].name for index in variables}
    return any(
        name.rsplit("_", 1)[-1].lower().rstrip("0123456789") in ("label", "labels")
        and name not in source.params
        and name not in options.input_shapes
        for name in names
    )


def _named(symbol: Symbol, name: str, option: str) -> Entry:
    """The tensor that the user means: an output's full name, or a node's name for its first output."""
    found: dict[str, Entry] = {}
    for index, node in enumerate(symbol.nodes):
        found.setdefault(node.name, (index, 0))
        for output in range(_outputs_of(node)):
            found.setdefault(entry_name(node, output), (index, output))
    if name not in found:
        close = get_close_matches(name, found, 3) or [entry_name(symbol.nodes[i], o) for i, o in symbol.heads][:10]
        raise InvalidOptions(
            f"the option '{option}' names {name!r}, but the graph has no such tensor",
            hint=f"Tensors of the graph: {', '.join(close)}.",
        )
    return found[name]


def _outputs_of(node: Node) -> int:
    """How many outputs a user could name: as many as the node says, or some."""
    count = node.attrs.get("num_outputs", "").strip()
    return min(int(count), 4096) if count.isdecimal() else 16


# --- what they need ---------------------------------------------------------------------------------------------------


def _needed(
    symbol: Symbol, outputs: Sequence[Entry], cuts: Mapping[Entry, str], file: str
) -> tuple[list[int], list[int]]:
    """Operators in topological order and variables; the file's own order need not be sorted."""
    done: set[int] = set()
    open_: set[int] = set()
    order: list[int] = []
    variables: list[int] = []
    stack: list[tuple[int, bool]] = [(entry[0], False) for entry in reversed(outputs) if entry not in cuts]
    while stack:
        index, finished = stack.pop()
        node = symbol.nodes[index]
        if finished:
            open_.discard(index)
            done.add(index)
            (variables if node.is_variable else order).append(index)
            continue
        if index in done:
            continue
        if index in open_:
            raise MalformedModel(f"the graph of {file!r} runs in a circle through node {node.name!r}", file=file)
        open_.add(index)
        stack.append((index, True))
        for entry in reversed(wanted_inputs(node)):
            if entry in cuts or entry[0] in done:
                continue
            if entry[0] in open_:
                raise MalformedModel(f"the graph of {file!r} runs in a circle through node {node.name!r}", file=file)
            stack.append((entry[0], False))
    return order, variables


def _check_parameters(source: Assembled, options: Options, order: Sequence[int], variables: Sequence[int]) -> None:
    """Every variable in a parameter's place must have its array."""
    nodes = source.symbol.nodes
    places = {
        nodes[index].inputs[slot][0]
        for index in order
        for slot in PARAMETERS.get(nodes[index].op, ())
        if slot < len(nodes[index].inputs)
    }
    missing = [
        nodes[index].name
        for index in sorted(variables)
        if index in places and nodes[index].name not in source.params and nodes[index].name not in options.input_shapes
    ]
    if not missing:
        return
    listed = ", ".join(map(repr, missing[:8])) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
    if not source.params_file:
        raise MissingFile(
            f"the parameters are missing: {source.symbol_file!r} needs {len(missing)} arrays ({listed})",
            file=source.symbol_file, hint="Add the parameter file, usually called *-0000.params.",
        )  # fmt: skip
    raise MalformedModel(
        f"{source.params_file!r} lacks {len(missing)} arrays of {source.symbol_file!r}: {listed}",
        file=source.params_file, hint="Upload the parameters that were saved with this very symbol.",
    )  # fmt: skip

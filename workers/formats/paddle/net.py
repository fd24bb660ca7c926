"""The part of a program that its outputs need: operators in order, inputs, parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from workers.errors import InvalidOptions, MalformedModel
from workers.formats.contract import Note
from workers.formats.paddle.assemble import Assembled
from workers.formats.paddle.program import Block, Operator, Program
from workers.options import Options


@dataclass(slots=True)
class Net:
    """``inputs`` are names of variables; those among them that an operator computes are ``cuts``."""

    program: Program
    ops: list[Operator]
    inputs: list[str]
    cuts: frozenset[str]
    outputs: list[tuple[str, str]]
    notes: list[Note] = field(default_factory=list)


def build(source: Assembled, options: Options) -> Net:
    """Raises InvalidOptions for tensors that are not there, MalformedModel for a program without outputs."""
    program = source.program
    outputs = [(_named(program, name, "outputs"), name) for name in dict.fromkeys(options.outputs)] or program.fetches
    if not outputs:
        raise MalformedModel(
            f"{source.file!r} has no outputs: it was saved for training, not for inference", file=source.file,
            hint="Export it with save_inference_model or paddle.jit.save, or name tensors in the option 'outputs'.",
        )  # fmt: skip
    cuts = frozenset(_named(program, name, "inputs") for name in options.inputs)
    ops, needed = _needed(program, [value for value, _ in outputs], cuts)
    written = {name for op in ops for name in op.writes()}
    inputs = [name for name in program.feeds if name in needed and name not in cuts]
    lost = [name for name in inputs if name not in program.vars]
    if lost:
        raise MalformedModel(f"the input {lost[0]!r} is no variable of the program", file=source.file)
    unused = [name for name in program.feeds if name not in needed and name not in cuts]
    notes = [
        Note("unused-input", f"The input {name!r} is not used by the outputs; it was left out.") for name in unused
    ]
    for name in cuts:
        if name not in needed:
            raise InvalidOptions(f"the option 'inputs' names {name!r}, which the outputs do not need")
    return Net(program, ops, [*inputs, *sorted(cuts)], cuts - (cuts - written), outputs, notes)


def _named(program: Program, name: str, option: str) -> str:
    """A variable's name; in PIR also an output's."""
    values = {label: value for value, label in program.fetches}
    if name in values:
        return values[name]
    if name in program.vars:
        return name
    labels = [*values, *program.vars]
    close = get_close_matches(name, labels, 3) or labels[:10]
    raise InvalidOptions(
        f"the option '{option}' names {name!r}, but the program has no such variable",
        hint=f"Variables of the program: {', '.join(close)}.",
    )


def sub_blocks(program: Program, op: Operator) -> list[Block]:
    """The blocks that an operator runs: its regions, or those its attributes name."""
    found = list(op.blocks)
    for key in ("sub_block", "true_block", "false_block"):
        index = op.attrs.get(key)
        if isinstance(index, int) and not isinstance(index, bool) and 0 < index < len(program.blocks):
            found.append(program.blocks[index])
    return found


def touched(program: Program, op: Operator, depth: int = 0) -> tuple[set[str], set[str]]:
    """Names of all variables that an operator reads and writes, those of its blocks included."""
    used, written = set(op.reads()), set(op.writes())
    if depth < 64:
        for block in sub_blocks(program, op):
            for inner in block.ops:
                more = touched(program, inner, depth + 1)
                used |= more[0]
                written |= more[1]
    return used, written


def _needed(program: Program, outputs: Sequence[str], cuts: frozenset[str]) -> tuple[list[Operator], set[str]]:
    """Operators that something depends on, in the program's order, and the names of all they read."""
    needed = set(outputs)
    kept: list[Operator] = []
    for op in reversed(program.blocks[0].ops):
        used, written = touched(program, op)
        if written & (needed - cuts):
            kept.append(op)
            needed |= used
    return kept[::-1], needed

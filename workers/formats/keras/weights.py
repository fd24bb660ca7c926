"""Hands every layer its own weights, from either kind of storage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from workers.errors import MalformedModel
from workers.formats.keras.assemble import Assembled, Groups
from workers.formats.keras.net import Net, Spec
from workers.formats.keras.slots import Slots, flag, slots
from workers.formats.keras.stored import Node
from workers.inspect.hdf5 import Dataset

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies", "_self_tracked_trackables")
# The public name of a class in the configuration -> its own name, which the folder is called after.
_CLASSES = {"GroupQueryAttention": "GroupedQueryAttention"}
# Children that older releases keep under another attribute.
_RENAMED = {"output_dense": ("_output_dense", "_combine_dense")}


@dataclass(slots=True)
class Stock:
    """``own`` weights by name, ``raw`` in stored order (as a quantised layer has more), and those of inner layers."""

    own: dict[str, Dataset] = field(default_factory=dict)
    raw: list[Dataset] = field(default_factory=list)
    inner: dict[str, Stock] = field(default_factory=dict)


def stock(source: Assembled, net: Net) -> Stock:
    """All weights of the net, by layer. Raises MalformedModel where layers and weights do not fit each other."""
    if source.tree is not None:
        found = _of_net(net, source.tree)
        owners: dict[object, Stock] = {}
        for _ in ("those behind their owner", "those in front of it"):
            _share([(layer.name, layer) for layer in net.layers], found, owners)
        return found
    return _of_groups(source.groups or [], net, source.weights_file)


# --- Keras 3: by place ----------------------------------------------------------------------------------------------


def snake(name: str) -> str:
    """A class name as the folder of its weights: ``Conv2DTranspose`` -> ``conv2d_transpose``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _places(specs: Sequence[Spec]) -> list[str]:
    """Folder names in a list of layers: the class in snake case, numbered from the second on."""
    seen: dict[str, int] = {}
    found = []
    for spec in specs:
        name = snake(_CLASSES.get(spec.type, spec.type))
        count = seen.get(name, 0)
        seen[name] = count + 1
        found.append(f"{name}_{count}" if count else name)
    return found


def _of_net(net: Net, node: Node) -> Stock:
    holder = next((node.inner[key] for key in _CONTAINERS if key in node.inner), Node())
    layers = [spec for spec in net.layers if not spec.kind.startswith("ops.")]
    result = Stock()
    for spec, place in zip(layers, _places(layers), strict=True):
        result.inner[spec.name] = _of_node(spec, holder.inner.get(place, Node()))
    return result


def _filled(stock: Stock) -> bool:
    return bool(stock.raw) or any(_filled(inner) for inner in stock.inner.values())


Held = list[tuple[str, Spec]]


def _held(spec: Spec) -> Held:
    return list(spec.inner.items()) if spec.net is None else [(layer.name, layer) for layer in spec.net.layers]


def _share(held: Held, stock: Stock, owners: dict[object, Stock]) -> None:
    """A layer in several models has its weights where the writer met it first: the others get them from there.

    Keras fails to number the first of them inside a nested model; type and name tell it then.
    """
    for key, spec in held:
        own = stock.inner.get(key, Stock())
        known = (spec.shared, (spec.type, spec.name))
        if _filled(own):
            for name in known:
                owners.setdefault(name, own)
        elif spec.shared is not None:
            found = next((owners[name] for name in known if name in owners), own)
            stock.inner[key] = own = found
        _share(_held(spec), own, owners)


def _of_node(spec: Spec, node: Node) -> Stock:
    if spec.net is not None:
        return _of_net(spec.net, node)
    raw = [node.own[key] for key in sorted(node.own, key=_number)]
    layout = slots(spec)
    # A layer with low-rank updates stores its kernel with these added.
    names = [name for name, _ in layout.own if not name.startswith("lora_")]
    found = Stock(dict(zip(names, raw, strict=False)) if len(raw) >= len(names) else {}, raw)
    lists: dict[str, list[Spec]] = {}
    for key, inner in layout.inner:
        lists.setdefault(key.split("/")[0], []).append(inner)
    for key, inner in layout.inner:
        head, _, place = key.partition("/")
        child = _child(node, head)
        if place:
            child = child.inner.get(_places(lists[head])[int(place)], Node())
        found.inner[key] = _of_node(inner, child)
    return found


def _child(node: Node, key: str) -> Node:
    for name in (key, f"_{key}", *_RENAMED.get(key, ())):
        if name in node.inner:
            return node.inner[name]
    return Node()


def _number(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdecimal() and len(key) < 9 else (1 << 30, key)


# --- Keras 1 and 2: by order ----------------------------------------------------------------------------------------


def _of_groups(groups: Groups, net: Net, file: str) -> Stock:
    """By name where the file has the net's names, else in order among the layers that have weights."""
    filled = [(name, weights) for name, weights in groups if weights]
    names = {spec.name for spec in net.layers}
    if all(name in names for name, _ in filled):
        by_name = dict(filled)
        pairs = [(spec, by_name.get(spec.name, [])) for spec in net.layers]
    else:
        owners = [spec for spec in net.layers if next(_order(spec), None) is not None]
        if len(owners) != len(filled):
            raise MalformedModel(
                f"{file!r} has weights for {len(filled)} layers, the architecture has {len(owners)} with weights",
                file=file, hint="Upload the weights that were saved with this architecture.",
            )  # fmt: skip
        pairs = [(spec, weights) for spec, (_, weights) in zip(owners, filled, strict=True)]
    result = Stock()
    for spec, weights in pairs:
        result.inner[spec.name] = _of_list(spec, weights)
    return result


def _of_list(spec: Spec, weights: list[Dataset]) -> Stock:
    """A flat list of weights dealt out to a layer and all layers inside it."""
    result = Stock(raw=weights)
    order = list(_order(spec))
    if len(order) == len(weights):
        for path, dataset in zip(order, weights, strict=True):
            holder = result
            for part in path[:-1]:
                holder = holder.inner.setdefault(part, Stock())
            holder.own[path[-1]] = dataset
            holder.raw = holder.raw if holder is result else [*holder.raw, dataset]
    return result


def _order(spec: Spec) -> Iterator[tuple[str, ...]]:
    """Paths of all weights as Keras lists them: those that are trained first, then the others."""
    trained, fixed = _split(spec)
    yield from trained
    yield from fixed


def _split(spec: Spec) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    layout: Slots = slots(spec)
    trained = [(name,) for name, kept in layout.own if kept]
    fixed = [(name,) for name, kept in layout.own if not kept]
    first: list[tuple[str, ...]] = [*trained]
    second: list[tuple[str, ...]] = [*fixed]
    for key, inner in layout.inner:
        a, b = _split(inner)
        first += [(key, *path) for path in a]
        second += [(key, *path) for path in b]
    if not flag(spec.config, "trainable") or spec.type == "Normalization":
        return [], [*first, *second]
    return first, second

"""Features of token sequences."""

from __future__ import annotations

import numpy as np

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.hub.node import Array, Node

writes.refuse("PyTorch has no tensors of strings", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit")
writes.refuse("PyTorch decodes no image files", "ImageDecoder")


def _numbers(node: Node) -> bool | str:
    return not node.strings("pool_strings") or "PyTorch has no tensors of strings"


@writes("TfIdfVectorizer", only_if=_numbers)
def tf_idf_vectorizer(net: NetWriter, node: Node) -> None:
    """Counts of n-grams, with equal gaps between their tokens or none; weighted, or only whether they occur."""
    places, mode, weights = node.ints("ngram_indexes"), node.s("mode"), node.floats("weights")
    size = max(places) + 1
    counts = text.call(net.helper("count_ngrams"), net.x(node), _grams(node), node.i("max_skip_count"), size)
    if mode == "IDF":
        counts = f"({counts} > 0).to(torch.float32)"
    if mode != "TF" and weights:
        by_place = np.ones(size, np.float32)
        by_place[list(places)] = weights
        counts = f"{counts} * {text.call('torch.tensor', text.array(by_place), device=net.device)}"
    net.set(node, counts)


def _grams(node: Node) -> str:
    """``[(n-grams, their places), ...]``, one pair a length that counts."""
    pool = np.array(node.ints("pool_int64s"))
    starts, places = [*node.ints("ngram_counts"), len(pool)], node.ints("ngram_indexes")
    grams: list[str] = []
    first = 0
    for length in range(1, len(starts)):
        chosen: Array = pool[starts[length - 1] : starts[length]].reshape(-1, length)
        if node.i("min_gram_length") <= length <= node.i("max_gram_length") and len(chosen):
            grams.append(f"({text.array(chosen)}, {text.array(np.array(places[first : first + len(chosen)]))})")
        first += len(chosen)
    return f"[{', '.join(grams)}]"

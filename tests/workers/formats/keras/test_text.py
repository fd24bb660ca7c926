"""Architectures as text: numpy's numbers in Keras 1's YAML are data, and nothing else of Python's is."""

from __future__ import annotations

import pytest

from workers.errors import MalformedModel
from workers.formats.keras.text import parse_yaml

# As Keras 1.2.2 wrote the input size of a Dense layer behind a Flatten.
NUMBER = """
input_dim: !!python/object/apply:numpy.core.multiarray.scalar
- !!python/object/apply:numpy.dtype
  args:
  - i8
  - 0
  - 1
  state: !!python/tuple
  - 3
  - <
- !!binary |
  %s
"""


def test_a_number_of_numpys_is_its_value() -> None:
    assert parse_yaml(NUMBER % "SAAAAAAAAAA=", "model.yaml") == {"input_dim": 72}


@pytest.mark.parametrize("raw", ["SAAAAA==", "SAAAAAAAAAAAAAAAAAAAAA=="])
def test_a_number_of_the_wrong_length_is_refused(raw: str) -> None:
    with pytest.raises(MalformedModel, match="is damaged"):
        parse_yaml(NUMBER % raw, "model.yaml")


def test_any_other_object_of_pythons_is_refused() -> None:
    with pytest.raises(MalformedModel, match=r"model\.yaml"):
        parse_yaml("a: !!python/object/apply:os.system [ls]", "model.yaml")

"""The rules' test table: one small model for every rule and every branch of it."""

from __future__ import annotations

from tests.workers.hub.legalise import table_layers, table_shapes
from tests.workers.hub.legalise.cases import Case

CASES: list[Case] = [*table_layers.CASES, *table_shapes.CASES]

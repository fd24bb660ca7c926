"""``report.json``: the same report, the same bytes; and the published schema, ``python -m workers.report.json``."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from workers.report.schema import SCHEMA_VERSION, Report

SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


def write_json(report: Report, path: Path) -> None:
    """Write ``report`` as ASCII JSON: members in the schema's order, free keys sorted, Inf and NaN as strings."""
    path.write_text(dumps(report), encoding="ascii")


def dumps(report: Report) -> str:
    """The text of ``report.json``."""
    return json.dumps(_plain(report.model_dump(), ordered=False), indent=2, allow_nan=False) + "\n"


def schema() -> str:
    """The JSON schema of ``report.json``, as published in ``docs/report.schema.json``."""
    described = Report.model_json_schema(mode="serialization")
    return json.dumps({"$schema": SCHEMA_URL, "$id": f"onnxhub-report-{SCHEMA_VERSION}", **described}, indent=2) + "\n"


# Members whose keys are data: names of operators, options, packages.
FREE = frozenset({"operators", "layers", "environment", "options", "error", "tolerance", "shapes"})


def _plain(value: Any, *, ordered: bool) -> Any:
    """JSON's own types only; ``ordered`` sorts the keys from here down."""
    if isinstance(value, dict):
        plain = {
            _text(str(key)): _plain(item, ordered=ordered or (key in FREE and isinstance(item, dict)))
            for key, item in value.items()
        }
        return dict(sorted(plain.items())) if ordered else plain
    if isinstance(value, list | tuple):
        return [_plain(item, ordered=ordered) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        return _text(value)
    return value if isinstance(value, int | float | bool | None) else str(value)


def _text(value: str) -> str:
    """A lone surrogate, from a file name that is no Unicode, would be no JSON either: it becomes ``\\udc80``."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


if __name__ == "__main__":
    sys.stdout.write(schema())

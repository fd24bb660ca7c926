"""``report.json``: readable by any JSON parser, the same bytes for the same report, and its schema published."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.workers.report import examples
from workers.report.json import dumps, schema, write_json
from workers.report.schema import Report

PUBLISHED = Path(__file__).parents[3] / "docs" / "report.schema.json"
EXAMPLES = ("verified", "unproven", "mismatched", "refused_source", "refused_target", "unknown", "hostile")


def test_the_published_schema_is_that_of_the_code() -> None:
    assert PUBLISHED.read_text() == schema(), "run: python -m workers.report.json > docs/report.schema.json"


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_report_reads_back_as_it_was(example: str, tmp_path: Path) -> None:
    report: Report = getattr(examples, example)()
    write_json(report, tmp_path / "report.json")
    read = Report.model_validate_json((tmp_path / "report.json").read_bytes())
    assert read == report or example == "hostile"
    assert dumps(read) == dumps(report)


def test_infinite_errors_are_strings_that_strict_parsers_take() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    report = examples.hostile()
    report.options = {"limit": math.inf, "nothing": math.nan}
    read = json.loads(dumps(report), parse_constant=refuse)
    assert read["comparisons"][0]["samples"][0]["tensors"][0]["ratio"] == "Infinity"
    assert read["options"] == {"limit": "Infinity", "nothing": "NaN"}


def test_the_order_in_which_things_were_counted_leaves_no_trace() -> None:
    one, other = examples.verified(), examples.verified()
    assert other.hub is not None
    other.hub.operators = dict(reversed(other.hub.operators.items()))
    other.environment = dict(reversed(other.environment.items()))
    other.options = {**dict(reversed(other.options.items()))}
    assert dumps(one) == dumps(other)


def test_members_stand_in_the_schemas_order() -> None:
    read = json.loads(dumps(examples.mismatched()))
    assert list(read) == list(Report.model_fields)
    layer = read["targets"][0]["comparisons"][0]["divergence"]["layers"][0]
    assert list(layer) == ["tensor", "layer", "layer_type", "op", "accumulated", "local", "passed"]


def test_no_character_of_a_name_can_steer_a_terminal() -> None:
    assert dumps(examples.hostile()).isascii()
    assert "\x1b" not in dumps(examples.hostile())

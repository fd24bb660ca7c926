"""What is written down is what the code says: OpenAPI, problems, settings, the schema of the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from app import problems
from app.db.engine import Database
from app.db.tables import Table
from app.main import create_app
from app.settings import Settings, table
from workers import errors

ROOT = Path(__file__).parents[2]


def test_openapi_is_the_committed_one(tmp_path: Path) -> None:
    """After a wished-for change: python -m app.openapi > openapi.json"""
    current = create_app(Settings(home=tmp_path)).openapi()
    assert json.loads((ROOT / "openapi.json").read_text()) == json.loads(json.dumps(current))


def test_operation_ids_are_unique_and_every_problem_is_a_known_one(tmp_path: Path) -> None:
    spec = create_app(Settings(home=tmp_path)).openapi()
    operations = [operation for path in spec["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert all(operation.get("description") for operation in operations)


def test_the_problems_page_is_the_committed_one() -> None:
    """After a wished-for change: python -m app.problems > docs/problems.md"""
    assert (ROOT / "docs/problems.md").read_text() == problems.page()


def test_every_error_of_the_engine_is_a_documented_problem() -> None:
    def all_types(cls: Any) -> set[str]:
        return {cls.type}.union(*(all_types(sub) for sub in cls.__subclasses__() if sub.__module__ == errors.__name__))

    assert all_types(errors.ConversionError) == set(problems.JOB_KINDS)


def test_the_settings_page_has_the_current_table() -> None:
    """After a wished-for change: python -m app.settings prints the table"""
    assert table() in (ROOT / "docs/settings.md").read_text()


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_migrations_lead_to_the_tables(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'x.db'}")
    db.migrate()
    db.migrate()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
    db.close()

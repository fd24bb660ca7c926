"""The published tables of layer types are what the code really does."""

from pathlib import Path

from workers.coverage import pages, readme

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "formats"


def test_the_pages_are_up_to_date() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    assert written == pages(), "run: python -m workers.coverage ."


def test_the_readme_counts_what_the_code_does() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == readme(text), "run: python -m workers.coverage ."


def test_every_refusal_has_a_reason_in_words() -> None:
    for text in pages().values():
        for row in text.splitlines():
            if "| no" in row:
                assert len(row.partition("no: ")[2]) > 10, row

"""Every recorded upload is named without help by the one format that it is, whatever its files are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.cases import Case, cases, systems
from workers.errors import AmbiguousFormat
from workers.formats import all_formats
from workers.inspect.sniff import sniff
from workers.inspect.upload import Upload, UploadedFile

REGISTERED = [system for system in systems() if system in all_formats()]
ALL = [(system, case) for system in REGISTERED for case in cases(system)]
# Names say nothing here: a checkpoint is told by its index's name, a state of another's architecture by model.py.
NAMED = {"tensorflow", "pytorch"}
FIRST = [next(iter(cases(system))) for system in REGISTERED]


@pytest.mark.parametrize(("system", "case"), ALL, ids=str)
def test_the_format_is_found_without_help(system: str, case: Case) -> None:
    found, evidence = sniff(Upload(case.uploaded), all_formats())
    assert found.name == system, evidence.reason


@pytest.mark.parametrize(("system", "case"), [pair for pair in ALL if pair[0] not in NAMED], ids=str)
def test_names_that_tell_nothing_do_not_mislead(system: str, case: Case) -> None:
    files = [UploadedFile(f"file{place}.bin", file.path, file.size) for place, file in enumerate(case.uploaded)]
    found, evidence = sniff(Upload(tuple(files)), all_formats())
    assert found.name == system, evidence.reason


@pytest.mark.parametrize("other", FIRST, ids=lambda case: case.folder.parent.name)
@pytest.mark.parametrize("one", FIRST, ids=lambda case: case.folder.parent.name)
def test_of_two_models_side_by_side_one_is_taken_or_both_are_named(one: Case, other: Case) -> None:
    """Never a third format: either the upload is asked about, or it is one of the two."""
    pair = {case.folder.parent.name for case in (one, other)}
    files = [UploadedFile(f"{place}/{file.name}", file.path, file.size)
             for place, case in enumerate((one, other)) for file in case.uploaded]  # fmt: skip
    try:
        found, _ = sniff(Upload(tuple(files)), all_formats())
    except AmbiguousFormat as error:
        assert all(name in (error.hint or "") for name in pair)
    else:
        assert found.name in pair


def test_an_upload_beside_a_readme_and_a_picture_is_still_found(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# My network\n\n[net]\nlayer { type: 'Convolution' }\n")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "figure.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    beside = Upload.of(*sorted(tmp_path.iterdir())).files
    for case in FIRST:
        found, evidence = sniff(Upload((*beside, *case.uploaded)), all_formats())
        assert found.name == case.folder.parent.name, evidence.reason

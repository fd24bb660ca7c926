"""What users upload of PyTorch runs in PyTorch itself, as recorded; what only a pickle could load does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.cases import Case, assert_same, cases, expected
from tests.workers.formats.pytorch.runs import torch_toolchain
from workers.toolchains import ToolRefused

pytestmark = pytest.mark.xdist_group("torch-tool")
LOADED = [case for case in cases("pytorch") if case.name != "whole_module_pickle"]


def run(case: Case, work: Path) -> dict[str, object]:
    options = case.options.model_dump(include={"entry", "args"})
    sample = case.sample(1)
    paths = [file.path for file in case.uploaded]
    result = torch_toolchain().run(
        "run:source", paths, sample.inputs, work=work, output_names=case.output_names, options=options
    )
    return dict(result.outputs)


@pytest.mark.parametrize("case", LOADED, ids=str)
def test_an_upload_computes_in_pytorch_what_was_recorded(case: Case, tmp_path: Path) -> None:
    step = expected("pytorch").steps.get(case.name, 0.0)
    assert_same(case.sample(1).outputs, run(case, tmp_path), step=step)  # type: ignore[arg-type]


def test_a_pickle_of_more_than_tensors_is_not_loaded(tmp_path: Path) -> None:
    (case,) = cases("pytorch", "whole_module_pickle")
    with pytest.raises(ToolRefused, match="would have to run"):
        run(case, tmp_path)

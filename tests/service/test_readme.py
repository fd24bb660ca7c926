"""The README's own upload, exactly as printed but for the address and the folder it saves into."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path

from tests.service.serving import Service

ROOT = Path(__file__).parents[2]


def test_the_commands_of_the_readme_work_as_printed(service: Service, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (script,) = (block for block in blocks if "curl" in block)
    address = f"http://127.0.0.1:{service.port}"
    script = script.replace("http://localhost:8000", address).replace("tests/models", f"{ROOT}/tests/models")
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True, capture_output=True)
    job = json.loads((tmp_path / "job.json").read_text())
    assert job["status"] == "succeeded"
    with zipfile.ZipFile(tmp_path / "lenet.zip") as archive:
        assert {"hub.onnx", "report.html", "pytorch/model.py", "pytorch/model.pt2"} <= set(archive.namelist())

"""The report's templates as Python byte code: compiling them takes longer than a small conversion.

``python -m workers.report.compiled`` leaves them where ``.pyc`` files lie, when onnxhub is installed. Where they are
missing, or of another version, jinja compiles what it needs; a job writes nothing there.
"""

from __future__ import annotations

from pathlib import Path

from jinja2.bccache import Bucket, FileSystemBytecodeCache

FOLDER = Path(__file__).parent / "templates" / "__pycache__"


class Kept(FileSystemBytecodeCache):
    """Byte code that is read if it is there. ``writes``: and written if not."""

    def __init__(self, writes: bool = False) -> None:
        super().__init__(str(FOLDER), "%s.jinja")
        self._writes = writes

    def dump_bytecode(self, bucket: Bucket) -> None:
        if self._writes:
            super().dump_bytecode(bucket)


def main() -> None:
    """Compile every template anew."""
    from workers.report.html import environment

    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.jinja"):
        stale.unlink()
    templates = environment(Kept(writes=True))
    for name in templates.list_templates(extensions=["html"]):
        templates.get_template(name)
    for made in FOLDER.glob("*.jinja"):
        made.chmod(0o644)  # whoever installs onnxhub may not be who runs it


if __name__ == "__main__":
    main()

"""Caffe: BVLC's nets of all generations and those of the SSD fork."""

from __future__ import annotations

from collections.abc import Mapping

from workers.formats.contract import Evidence, Format, Lazy, Verifier
from workers.inspect.upload import Upload


def _sniff(upload: Upload) -> Evidence | None:
    found: Evidence | None = Lazy("workers.formats.caffe.recognise", "sniff")(upload)
    return found


def _coverage() -> Mapping[str, Mapping[str, str]]:
    return {
        "read": Lazy("workers.formats.caffe.read", "coverage")(),
        "write": Lazy("workers.formats.caffe.write", "coverage")(),
    }


FORMAT = Format(
    name="caffe",
    title="Caffe",
    variants="BVLC and the SSD fork; V0, V1, V2; HDF5 weights",
    extensions=(".prototxt", ".caffemodel", ".caffemodel.h5"),
    sniff=_sniff,
    read=Lazy("workers.formats.caffe.read", "read"),
    write=Lazy("workers.formats.caffe.write", "write"),
    legalise=Lazy("workers.formats.caffe.write", "legalise"),
    coverage=_coverage,
    verify=(
        Verifier(
            toolchain="opencv",
            action="run:caffe",
            title="OpenCV dnn",
            doubts=Lazy("workers.formats.caffe.doubts", "doubts"),
        ),
    ),
)

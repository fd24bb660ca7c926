"""Caffe: BVLC's nets of all generations and those of the SSD fork."""

from __future__ import annotations

from workers.formats.contract import Coverage, Format, Lazy, Verifier

FORMAT = Format(
    name="caffe",
    title="Caffe",
    variants="BVLC and the SSD fork; V0, V1, V2; HDF5 weights",
    extensions=(".prototxt", ".caffemodel", ".caffemodel.h5"),
    sniff=Lazy("workers.formats.caffe.recognise", "sniff"),
    read=Lazy("workers.formats.caffe.read", "read"),
    write=Lazy("workers.formats.caffe.write", "write"),
    legalise=Lazy("workers.formats.caffe.write", "legalise"),
    coverage=Coverage(
        read=Lazy("workers.formats.caffe.read", "coverage"), write=Lazy("workers.formats.caffe.write", "coverage")
    ),
    verify=(
        Verifier(
            toolchain="opencv",
            action="run:caffe",
            title="OpenCV dnn",
            doubts=Lazy("workers.formats.caffe.doubts", "doubts"),
        ),
    ),
)

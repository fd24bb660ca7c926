"""Caffe."""

from workers.formats.contract import Format

FORMAT = Format(name="caffe", title="Caffe", extensions=(), sniff=lambda upload: None)

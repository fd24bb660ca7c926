"""PyTorch."""

from workers.formats.contract import Format

FORMAT = Format(name="pytorch", title="PyTorch", extensions=(), sniff=lambda upload: None)

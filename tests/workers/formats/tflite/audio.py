"""The custom operators for sound, put into flatbuffers by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from handmade import FILES, Feed, File


def audio(name: str, op: str, inputs: list[Any], result: Feed, **options: Any) -> None:
    from flatbuffers import flexbuffers

    FILES[name] = File(op, inputs, [result], None, bytes(flexbuffers.Dumps(options)), span=(0.0, 1.0))


audio("audio_spectrogram", "AudioSpectrogram", [Feed([100, 2])], Feed([2, 5, 17]),
      window_size=24, stride=17, magnitude_squared=False)  # fmt: skip
audio("audio_spectrogram_squared", "AudioSpectrogram", [Feed([64, 1])], Feed([1, 3, 17]),
      window_size=32, stride=16, magnitude_squared=True)  # fmt: skip
audio("mfcc", "Mfcc", [Feed([2, 3, 65]), np.int32([16000])], Feed([2, 3, 5]), upper_frequency_limit=7000.0,
      lower_frequency_limit=20.0, filterbank_channel_count=8, dct_coefficient_count=5)  # fmt: skip

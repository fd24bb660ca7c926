"""What is particular to the recorded Darknet models."""

from tests.workers.formats.cases import Expected

RECURRENT = "recurrent layers carry their state from one image of the batch to the next"

EXPECTED = Expected(fixed=dict.fromkeys(("ab_conv_lstm", "ab_recurrent", "char_rnn", "pj_crnn", "pj_lstm"), RECURRENT))

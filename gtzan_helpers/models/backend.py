"""Keras, set up: fast on a CPU, and without TensorFlow's own output on pages."""

import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# By itself TensorFlow uses oneDNN on some processors only; on others convolutions take two to ten
# times as long without it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Without file descriptor 2 for a while: no other setting silences TensorFlow's first lines.
_stderr, _nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(_nowhere, 2)
try:
    import keras
    from keras import layers, ops
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_nowhere)
# The progress bars are ours; Keras would print lines of its own while it downloads.
keras.config.disable_interactive_logging()
# It warns about every model after the fifth; a series trains many.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

__all__ = ["keras", "layers", "ops"]

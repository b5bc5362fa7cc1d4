"""Keras, set up: fast on a CPU, and without TensorFlow's own output on pages."""

import contextlib
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def _no_native_log() -> Iterator[None]:
    """Close file descriptor 2 for a while: no other setting silences TensorFlow's first lines."""
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# By itself TensorFlow uses oneDNN on some processors only; on others convolutions take two to ten
# times as long without it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with _no_native_log():
    import keras
    from keras import layers, ops
# The progress bars are ours; Keras would print lines of its own while it downloads.
keras.config.disable_interactive_logging()
# It warns about every model after the fifth; a series trains many.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

__all__ = ["keras", "layers", "ops"]

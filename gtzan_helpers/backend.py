"""Keras as the series wants it: quick on a CPU, and without TensorFlow's lines on a page."""

import contextlib
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def _no_native_log() -> Iterator[None]:
    """Close file descriptor 2 for a while: TensorFlow's first lines know no other setting."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow uses oneDNN by itself on some processors alone; on others convolutions take two to
# ten times as long without it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with _no_native_log():
    import keras
    from keras import layers, ops
# Bars are ours; Keras would print lines of its own while it downloads.
keras.config.disable_interactive_logging()
# It warns of every model after the fifth; a series trains many.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

__all__ = ["keras", "layers", "ops"]

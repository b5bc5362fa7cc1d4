"""Experiments: a system under a protocol becomes a row; what a run keeps, and what it is asked."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

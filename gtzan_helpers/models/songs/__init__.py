"""Genres of songs of any length: the models that `gtzan predict` asks, and what they answer."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

"""Datasets: sources of tracks and features, how they are divided, and what is wrong with them."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

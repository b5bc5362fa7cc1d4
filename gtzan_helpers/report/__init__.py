"""What a run gives to readers: its pages, and the figures of the repository."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

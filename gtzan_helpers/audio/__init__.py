"""Audio and its features: reading, segments, spectra, analysis, feature tables and sets, changes.

`y` is always mono audio, float32, nominally in [-1, 1].
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

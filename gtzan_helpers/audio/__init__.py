"""Audio and its features: reading, segments, spectra, analysis, feature tables and sets, changes.

`y` is always mono audio, float32, nominally in [-1, 1].
"""

import lazy_loader as lazy

from gtzan_helpers import config

if not config.settle():  # numba refuses to compile what it cannot keep
    from numba.core import caching

    caching._CacheLocator.ensure_cache_path = lambda self: None
    caching.Cache.save_overload = lambda *_: None

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

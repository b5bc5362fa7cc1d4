"""Pictures, by what they show: sound, collections, scores, networks.

A picture takes arrays or tables and `ax`, draws, and returns the axes (a grid: its figure). None
shows or saves; where there is nothing to draw, the axes say so. `notebook` has what pages need
besides: banner, notice, players.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

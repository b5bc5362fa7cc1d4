"""How good predictions are: scores and intervals, calibration, clusters, neighbours.

Arrays and tables in, numbers and tables out; nothing here reads a file or trains a system.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

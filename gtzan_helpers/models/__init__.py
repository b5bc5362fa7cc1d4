"""The systems by id, the learners behind them, and the models that they give.

`System` says what a system is given and how it is evaluated, `Learner` how it learns, and
`Fitted` is the model that comes out, whatever its kind.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)

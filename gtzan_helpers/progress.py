"""Progress bars: a line in a terminal, a widget in JupyterLab, nothing on an executed page."""

import os
from collections.abc import Iterable

from tqdm.auto import tqdm


def bar(items: Iterable, *, total: int, description: str, unit: str) -> Iterable:
    """Wrap `items` so that a bar moves as they are taken; ``TQDM_DISABLE=1`` hides it."""
    return meter(items, total=total, description=description, unit=unit) if total else items


def meter(items: Iterable | None = None, *, total: int, description: str, unit: str) -> tqdm:
    """A bar that moves as `items` are taken, or by its method `update`."""
    # tqdm's notebook bar does not look at its own environment variable.
    hidden = bool(os.environ.get("TQDM_DISABLE")) or None
    return tqdm(items, total=total, desc=description, unit=unit, leave=False, disable=hidden)

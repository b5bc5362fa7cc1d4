"""The series, from a run on the embedded dataset, and the package's reference, as one book.

    uv run gtzan run && uv run sphinx-build -W docs docs/_build

`GTZAN_RUN` names another run than `runs/synthetic-quick`.
"""

import os
from pathlib import Path

from sphinx.errors import ConfigError

from gtzan_helpers.errors import SourceError
from gtzan_helpers.report import book

here = Path(__file__).parent
run = Path(os.environ.get("GTZAN_RUN") or here.parent / "runs" / "synthetic-quick").resolve()
try:
    source = book.read_state(run)["source"]
except SourceError as error:
    raise ConfigError(f"{error}; make one by `gtzan run`") from error
if source != "synthetic":
    raise ConfigError(f"{run}: a run on {source}; only the embedded dataset may be published")
book.write_sources(run, here / "run")

globals().update(book.SETTINGS)
project = html_title = "Music genre classification on GTZAN"
extensions = [*book.SETTINGS["extensions"], "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]

"""The series, from a run on the embedded dataset, and the package's reference, as one book.

    uv run gtzan run && uv run sphinx-build -W docs docs/_build

`GTZAN_RUN` names another run than `runs/synthetic-quick`.
"""

import inspect
import os
from pathlib import Path

import click
from docutils import nodes
from sphinx.errors import ConfigError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import stringify_annotation

from gtzan_helpers.cli import commands
from gtzan_helpers.errors import SourceError
from gtzan_helpers.report import book, record

here = Path(__file__).parent
run = Path(os.environ.get("GTZAN_RUN") or here.parent / "runs" / "synthetic-quick").resolve()
try:
    source = record.read(run)["source"]
except SourceError as error:
    raise ConfigError(f"{error}; make one by `gtzan run`") from error
if source != "synthetic":
    raise ConfigError(f"{run}: a run on {source}; only the embedded dataset may be published")
book.write_sources(run, here / "run")

globals().update(book.SETTINGS)
project = html_title = "Music genre classification on GTZAN"
extensions = [*book.SETTINGS["extensions"], "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
default_role = "py:obj"  # links where the object is documented, else plain code
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False


class CommandHelp(SphinxDirective):
    """The help of each command of `gtzan`, as it is printed."""

    def run(self):
        """Return a section for each command."""
        settings = commands.context_settings
        parent = click.Context(commands, info_name="gtzan", terminal_width=76, **settings)
        contexts = [parent]
        for context in contexts:  # to which those of its commands are added
            for name, command in getattr(context.command, "commands", {}).items():
                contexts.append(click.Context(command, parent=context, info_name=name))
        return [self._section(context.command_path, context.get_help()) for context in contexts]

    def _section(self, path, text):
        block = nodes.literal_block(text, text, language="text")
        return nodes.section("", nodes.title("", path), block, ids=[nodes.make_id(path)])


def show_returned(app, what, name, thing, options, arguments, returned):
    """Show what a function returns, which many docstrings leave to its annotation."""
    if what in ("function", "method") and thing.__module__.startswith("gtzan_helpers"):
        annotation = inspect.signature(thing).return_annotation
        if annotation not in (None, inspect.Signature.empty):
            returned = stringify_annotation(annotation, "smart")
    return arguments, returned


def setup(app):
    """Register with Sphinx what is above."""
    app.connect("autodoc-process-signature", show_returned)
    app.add_directive("command-help", CommandHelp)

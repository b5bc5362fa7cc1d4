"""The package's floors: imports go down or sideways, never up and never in a circle.

Which floor a module is on follows from where its file lies: a folder is a floor, modules of the
package's root are the ground, and the three doors (with ``python -m``) are above everything.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gtzan_helpers

ROOT = Path(gtzan_helpers.__file__).parent

FLOORS = ("ground", "audio", "datasets", "evaluation", "models", "plots", "experiments", "report")
"""From the ground up; two folders of one floor do not import each other."""

DOORS = {"cli", "research", "terminal", "predict", "reproduce", "__main__"}

HEIGHT = {folder: height for height, floor in enumerate(FLOORS) for folder in floor.split()}
HEIGHT["doors"] = len(FLOORS)

HEAVY = {"librosa", "sklearn", "matplotlib", "keras", "tensorflow", "seaborn", "scipy", "numba"}


def name_of(path):
    """Dotted name of a module below the package; a folder's own is the name of its `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(path): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.rglob("*.py"))
}
FOLDERS = [path.parent.relative_to(ROOT).parts for path in sorted(ROOT.rglob("*/__init__.py"))]
FACES = [
    ".".join(path.parent.relative_to(ROOT).parts) for path in sorted(ROOT.rglob("__init__.pyi"))
]


def floor_of(module):
    """Folder in which a module lies, or ground, or doors."""
    folder = module.split(".")[0]
    if (ROOT / folder).is_dir():
        return folder
    return "doors" if module in DOORS else "ground"


def imported(nodes, package=""):
    """Dotted names of everything that the nodes of a module's tree import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                origin = ".".join(filter(None, ["gtzan_helpers", package, node.module]))
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


def ours(nodes, package=""):
    """Modules of the package that they import."""
    modules = set()
    for name in imported(nodes, package):
        first, _, rest = name.partition(".")
        if first == "gtzan_helpers":
            # Of `audio.reading.read` the longest part that is a module.
            parts = rest.split(".")
            candidates = [".".join(parts[:n]) for n in range(len(parts), -1, -1)]
            modules.add(next(each for each in candidates if each in MODULES))
    return modules - {""}


IMPORTS = {
    module: ours(ast.walk(tree), module.rpartition(".")[0]) for module, tree in MODULES.items()
}
"""Of each module, inside functions too."""


def defined(tree):
    """Names that a module defines or imports at its top."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = [part for target in targets for part in ast.walk(target)]
            names |= {part.id for part in parts if isinstance(part, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def face(folder):
    """What a folder's `__init__` offers, as pairs of a module and a name (none: the module)."""
    stub = ROOT.joinpath(*folder.split("."), "__init__.pyi").read_text(encoding="utf-8")
    nodes = [node for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom)]
    names = [(node.module, alias.name) for node in nodes for alias in node.names]
    return [(module, name) if module else (name, None) for module, name in names]


def test_imports_are_recognised_in_every_form():
    tree = ast.parse(
        "import gtzan_helpers.audio.reading\nfrom gtzan_helpers import files\n"
        "from gtzan_helpers.audio.segments import cut\nfrom . import median\n"
        "def f():\n    from .spectra import mel\n    from gtzan_helpers.datasets import splits\n"
    )
    assert ours(ast.walk(tree), "audio") == {
        *("files", "datasets.splits"),
        *("audio.reading", "audio.segments", "audio.median", "audio.spectra"),
    }


def test_every_folder_is_a_floor_and_every_door_is_there():
    assert {parts[0] for parts in FOLDERS if parts} == set(HEIGHT) - {"ground", "doors"}
    assert set(MODULES) >= DOORS


def test_every_module_belongs_to_a_package():
    for path in ROOT.rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path


def test_the_package_itself_imports_nothing():
    assert imported(ast.walk(MODULES[""])) == set()


def test_a_module_imports_from_lower_floors_or_its_own():
    for module, others in IMPORTS.items():
        mine = floor_of(module)
        for other in others:
            theirs = floor_of(other)
            assert theirs == mine or HEIGHT[theirs] < HEIGHT[mine], f"{module} imports {other}"


def test_modules_do_not_import_each_other_in_a_circle():
    """Imports inside functions may close one: a list of classes names those that extend it."""
    left = {module: ours(tree.body, module.rpartition(".")[0]) for module, tree in MODULES.items()}
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}


def test_only_models_import_keras_or_tensorflow():
    for module, tree in MODULES.items():
        roots = {name.split(".")[0] for name in imported(ast.walk(tree))}
        if floor_of(module) != "models":
            assert roots & {"keras", "tensorflow"} == set(), module


@pytest.mark.parametrize("folder", FACES)
def test_what_a_folder_offers_is_defined_in_its_modules(folder):
    for module, name in face(folder):
        whole = f"{folder}.{module}.{name}" in MODULES  # a module of a folder inside
        assert whole or f"{folder}.{module}" in MODULES
        assert whole or name is None or name in defined(MODULES[f"{folder}.{module}"]), name


def loaded_by(statement):
    """Names of the modules that a new process has loaded after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_command_line_and_every_folder_loads_no_heavy_library():
    modules = ["cli", "research", *(".".join(parts) for parts in FOLDERS if parts)]
    statement = f"import {', '.join(f'gtzan_helpers.{module}' for module in modules)}"
    assert loaded_by(statement) & HEAVY == set()

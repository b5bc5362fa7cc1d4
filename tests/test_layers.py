"""Imports go down, or sideways without circles; see the table of floors in the design."""

import ast
from pathlib import Path

import pytest

import gtzan_helpers

FLOORS = {
    0: "errors config files systems audio filters median progress workers",
    1: "features fingerprints augment damage synth download packs",
    2: "dataset extract audit splits inputs",
    3: "classical backend networks musicnn training pretrained evaluate",
    4: "results scoreboard ensembles neighbours plots sketches charts",
    5: "tasks experiments probes",
    6: "reproduce publish predict cli",
}
FLOOR = {module: floor for floor, modules in FLOORS.items() for module in modules.split()}

MAY_IMPORT_KERAS = {"backend", "networks", "training", "musicnn", "pretrained"}

MODULES = {
    path.stem: ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(Path(gtzan_helpers.__file__).parent.rglob("*.py"))
    if path.stem != "__init__"
}


def imported(tree):
    """Dotted names of everything imported anywhere in a module, inside functions too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = "gtzan_helpers" if node.level else node.module
            if node.level and node.module:
                origin += f".{node.module}"
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


def ours(tree):
    """Modules of the package that a module imports."""
    parts = [name.split(".") for name in imported(tree)]
    return {name[1] for name in parts if name[0] == "gtzan_helpers" and len(name) > 1}


IMPORTS = {module: ours(tree) for module, tree in MODULES.items()}


def test_imports_are_found_in_every_form():
    tree = ast.parse(
        "import gtzan_helpers.a\nfrom gtzan_helpers import b\nfrom gtzan_helpers.c import x\n"
        "from . import d\nfrom .e import y\ndef f():\n    from gtzan_helpers import g\n"
    )
    assert ours(tree) == set("abcdeg")


def test_every_module_has_a_floor():
    assert set(MODULES) - set(FLOOR) == set()


def test_no_module_is_in_a_folder_of_its_own():
    paths = Path(gtzan_helpers.__file__).parent.rglob("*.py")
    assert {path.parent.name for path in paths} == {"gtzan_helpers"}


def test_the_package_itself_imports_nothing():
    text = Path(gtzan_helpers.__file__).read_text(encoding="utf-8")
    assert imported(ast.parse(text)) == set()


@pytest.mark.parametrize("module", MODULES)
def test_imports_exist_and_go_down_or_sideways(module):
    for other in IMPORTS[module]:
        assert other in MODULES, f"{module} imports {other}, which is no module"
        assert FLOOR[other] <= FLOOR[module], f"{module} imports {other} from a floor above"


def test_there_are_no_circles():
    left = {module: set(others) for module, others in IMPORTS.items()}
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}


@pytest.mark.parametrize("module", sorted(set(MODULES) - MAY_IMPORT_KERAS))
def test_only_the_networks_rooms_import_keras_or_tensorflow(module):
    roots = {name.split(".")[0] for name in imported(MODULES[module])}
    assert (roots | IMPORTS[module]) & {"keras", "tensorflow", "backend"} == set()

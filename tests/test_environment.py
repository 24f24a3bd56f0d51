"""pyproject.toml, environment.yml and requirements.txt agree, name by name, bound by bound."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"playwright-python": "playwright"}  # named otherwise on conda-forge
ONLY_CONDA = {"python", "pip"}


def bounds(lines):
    """{name: its version bounds} of requirement lines; equal for equal bounds in any order."""
    found = {}
    for line in lines:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        assert name not in found, f"{name} stands there twice"
        found[name] = requirement.specifier
    return found


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def wanted():
    """Everything that pyproject.toml asks for directly, extras included."""
    extras = project()["optional-dependencies"].values()
    return bounds([*project()["dependencies"], *(line for extra in extras for line in extra)])


def conda():
    """environment.yml's names and bounds, and the lines of its pip part that are not names."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    _, _, listed = text.partition("\ndependencies:\n")
    lines = re.findall(r"^ +- ([^\s:]+)$", listed, flags=re.MULTILINE)
    options = re.findall(r"^ +- (-.*)$", listed, flags=re.MULTILINE)
    found = bounds(line for line in lines if not line.startswith("-"))
    return {CONDA_NAMES.get(name, name): bound for name, bound in found.items()}, options


def pins():
    """[(name, version)] of requirements.txt; a name may have several, for several systems."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        requirement = Requirement(line)
        [pin] = requirement.specifier
        assert pin.operator == "==", f"{line} is no pin"
        found.append((canonicalize_name(requirement.name), pin.version))
    return found


def test_conda_gets_what_pyproject_asks_for_with_the_same_bounds():
    listed, _ = conda()
    assert {k: v for k, v in listed.items() if k not in ONLY_CONDA} == wanted()


def test_conda_gets_the_same_oldest_python():
    listed, _ = conda()
    assert str(listed["python"]) == project()["requires-python"]


def test_conda_gets_this_repository_itself():
    _, options = conda()
    assert options == ["-e ."]


@pytest.mark.parametrize("name", sorted(wanted()))
def test_every_direct_dependency_has_a_pin_within_its_bounds(name):
    versions = [version for pinned, version in pins() if pinned == name]
    assert versions, f"{name} has no pin in requirements.txt: make pins"
    assert all(wanted()[name].contains(version) for version in versions)


def test_every_direct_dependency_has_a_lower_bound_and_no_upper_one():
    operators = {name: [part.operator for part in bound] for name, bound in wanted().items()}
    assert operators == {name: [">="] for name in operators}


def test_the_pins_hold_no_address_and_no_path():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|@|file:|--|/", text)

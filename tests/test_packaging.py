"""What a user gets: the wheel, the sdist and an editable install, each in its own environment.

Nothing is downloaded: the environments borrow from the one that runs the tests what the wheel
requires, and nothing else. The checkout is copied first and never written to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_architecture import TREE, imports_of

CHECKOUT = Path(__file__).resolve().parents[1]
NOT_COPIED = shutil.ignore_patterns(
    ".*_cache", ".coverage*", ".git", ".hypothesis", ".tox", ".venv", "*.egg-info",
    "__pycache__", "_build", "build", "dist", "node_modules",
)  # fmt: skip

# Runs in the new environment and says what it finds there.
PROBE = """
import importlib.metadata, importlib.resources, json
import aiconfig_plugin, aiconfig_plugin.schemas
[script] = importlib.metadata.entry_points(group="console_scripts", name="aiconfig")
schemas = importlib.resources.files("aiconfig_plugin.schemas")
print(json.dumps({
    "package": aiconfig_plugin.__file__,
    "schemas_package": list(aiconfig_plugin.schemas.__path__)[0],
    "schemas": {
        file.name: json.loads(file.read_text(encoding="utf-8"))["$id"]
        for file in schemas.iterdir() if file.name.endswith(".schema.json")
    },
    "typed": importlib.resources.files("aiconfig_plugin").joinpath("py.typed").is_file(),
    "version": importlib.metadata.version("aiconfig-plugin"),
    "script": script.value,
    "script_is_callable": callable(script.load()),
    "distributions": [found.name for found in importlib.metadata.distributions()],
}))
"""

MOMENT = "1700000000"  # a SOURCE_DATE_EPOCH: seconds since 1970


class Built(NamedTuple):
    """A copy of the source tree, and what was built from it."""

    tree: Path
    wheel: Path
    sdist: Path


class Installed(NamedTuple):
    """An environment with the plugin in it; ``home`` is where its package has to lie."""

    environment: Path
    home: Path
    found: dict[str, Any]


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    """Return the standard output; a failure shows everything that was printed."""
    hidden = ("PYTHON", "COV_", "COVERAGE_", "AICONFIG_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    done = subprocess.run(command, cwd=cwd, env=environ | more, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(tree: Path, **environ: str) -> Built:
    """Build the sdist from a tree and the wheel from the sdist, as CONTRIBUTING.md says."""
    folder = tree.parent
    python = (sys.executable, "-m", "build", "--no-isolation", "-o", folder, tree)
    run(*python, cwd=folder, SOURCE_DATE_EPOCH=MOMENT, **environ)
    [wheel] = folder.glob("*.whl")
    [sdist] = folder.glob("*.tar.gz")
    return Built(tree, wheel, sdist)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    tree = tmp_path_factory.mktemp("built") / "tree"
    shutil.copytree(CHECKOUT, tree, ignore=NOT_COPIED)
    return build(tree)


def requirements(distribution: metadata.Distribution, *extras: str) -> list[Requirement]:
    """What it requires on this machine, without an extra or with these."""
    found = [Requirement(text) for text in distribution.requires or ()]
    return [
        requirement
        for requirement in found
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def described(wheel: Path) -> metadata.Distribution:
    """The metadata of a wheel that is not installed."""
    name, version, *_ = wheel.name.split("-")
    return metadata.PathDistribution(zipfile.Path(wheel, f"{name}-{version}.dist-info/"))


@pytest.fixture(scope="module")
def required(built: Built) -> dict[str, metadata.Distribution]:
    """All that pip installs beside the wheel when no extra is asked for, by name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = requirements(described(built.wheel))
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name not in found:
            found[name] = metadata.distribution(name)
            waiting += requirements(found[name], *wanted.extras)
    return found


@pytest.fixture(scope="module")
def dependencies(
    required: dict[str, metadata.Distribution], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with what the plugin requires, by symbolic links, without the plugin itself."""
    folder = tmp_path_factory.mktemp("dependencies")
    for distribution in required.values():
        borrow(distribution, folder)
    return folder


def borrow(distribution: metadata.Distribution, folder: Path) -> None:
    for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
        (folder / top).symlink_to(Path(str(distribution.locate_file(top))))


@pytest.fixture(scope="module", params=["wheel", "sdist", "editable"])
def installed(
    request: pytest.FixtureRequest, built: Built, dependencies: Path, tmp_path_factory: Any
) -> Installed:
    environment = tmp_path_factory.mktemp(request.param) / "environment"
    empty = tmp_path_factory.mktemp("empty")
    backend = tmp_path_factory.mktemp("backend")
    borrow(metadata.distribution("setuptools"), backend)
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site_packages = Path(run(python, "-I", "-c", ask, cwd=empty).strip())
    (site_packages / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
    what: dict[str, tuple[list[str | Path], Path]] = {
        "wheel": ([built.wheel], site_packages),
        "sdist": ([built.sdist], site_packages),
        "editable": (["--editable", built.tree], built.tree),
    }
    arguments, home = what[request.param]
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet"),
        *("--no-index", "--no-deps", "--no-build-isolation", *arguments),
        cwd=empty,
        PYTHONPATH=str(backend),
    )
    return Installed(environment, home, json.loads(run(python, "-I", "-c", PROBE, cwd=empty)))


def test_the_installed_copy_is_the_one_that_is_imported(installed: Installed) -> None:
    assert Path(installed.found["package"]).is_relative_to(installed.home)
    assert Path(installed.found["schemas_package"]).is_relative_to(installed.home)


def test_the_schemas_are_found_as_resources(installed: Installed) -> None:
    assert installed.found["schemas"] == {
        file.name: json.loads(file.read_text(encoding="utf-8"))["$id"]
        for file in (CHECKOUT / "schemas").glob("*.schema.json")
    }
    assert {"config.schema.json", "entry.schema.json"} <= set(installed.found["schemas"])


def test_type_checkers_are_told_that_the_package_is_typed(installed: Installed) -> None:
    assert installed.found["typed"]


def test_the_console_script_is_there_and_leads_somewhere(installed: Installed) -> None:
    assert os.access(installed.environment / "bin" / "aiconfig", os.X_OK)
    assert installed.found["script"] == "aiconfig_plugin.cli:main"
    assert installed.found["script_is_callable"]


def test_it_needs_nothing_but_what_it_requires(
    installed: Installed, required: dict[str, metadata.Distribution]
) -> None:
    found = {canonicalize_name(name) for name in installed.found["distributions"]}
    assert found == {*required, "aiconfig-plugin"}
    aiconfig = installed.environment / "bin" / "aiconfig"
    assert "keyring" in run(aiconfig, "--help", cwd=installed.environment)
    assert json.loads(run(aiconfig, "openapi", cwd=installed.environment))["paths"]


def test_it_requires_what_it_imports_and_nothing_that_only_an_extra_needs(built: Built) -> None:
    distributions = metadata.packages_distributions()
    libraries = {
        found.library
        for file in TREE.files
        for found in imports_of(file)
        # A host brings itself, and what it brings is imported in its own process.
        if TREE.room_of(file) not in {"demo", "hosts"}
        and found.library not in sys.stdlib_module_names
    }
    imported = {canonicalize_name(distributions[name][0]) for name in libraries}
    wheel = described(built.wheel)
    declared = {canonicalize_name(requirement.name) for requirement in requirements(wheel)}
    optional: set[str] = set()
    for extra in ("aws", "catalog", "metrics", "speed"):
        added = {canonicalize_name(each.name) for each in requirements(wheel, extra)} - declared
        assert added
        optional |= added
    assert imported - {"aiconfig-plugin"} == declared | optional


def test_a_gateway_finds_it_as_the_guide_says(installed: Installed, tmp_path: Path) -> None:
    guide = (CHECKOUT / "docs" / "mount.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"```python\n(from importlib\.metadata .*?)```", guide, re.DOTALL)
    host = f"from tornado.web import Application\napp = Application()\n{lines}\nprint(plugin)"
    run(installed.environment / "bin" / "aiconfig", "keyring", "create", "keyring", cwd=tmp_path)
    settings = {
        "AICONFIG_KEYRING": "keyring",
        "AICONFIG_MONGODB_URI": "mongodb://127.0.0.1:1",
        "AICONFIG_ISSUER": "https://issuer.example",
        "AICONFIG_CLIENT_ID": "gateway",
        "AICONFIG_CLIENT_SECRET": "unused",
    }
    python = installed.environment / "bin" / "python"
    assert "AIConfigPlugin" in run(python, "-I", "-c", host, cwd=tmp_path, **settings)


def test_the_version_is_that_of_the_files(installed: Installed, built: Built) -> None:
    assert built.wheel.name.split("-")[1] == installed.found["version"]
    assert built.sdist.name == f"aiconfig_plugin-{installed.found['version']}.tar.gz"


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = relative_files(built.tree, "aiconfig_plugin")
    schemas = relative_files(built.tree, "schemas")
    # Where Jupyter Server looks for extensions that could be enabled.
    data = {name for name in names if name.split("/")[0].endswith(".data")}
    assert {name.partition("/")[2] for name in data} == {
        f"data/{name}" for name in relative_files(built.tree, "etc")
    }
    assert names - data == package | {f"aiconfig_plugin/{name}" for name in schemas}


def test_the_sdist_holds_what_is_needed_to_test_it(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for folder in (
        ".ci",
        "aiconfig_plugin",
        "benchmarks",
        "docs",
        "etc",
        "examples",
        "schemas",
        "tests",
    ):
        assert relative_files(built.tree, folder) <= names
    files = {"LICENSE", "README.md", "CHANGELOG.md", "MANIFEST.in", "pyproject.toml", "setup.py"}
    assert {*files, "CONTRIBUTING.md", "SECURITY.md", "tox.ini"} <= names


def test_another_checkout_gives_the_same_bytes(built: Built, tmp_path: Path) -> None:
    tree = tmp_path / "elsewhere" / "checkout"
    shutil.copytree(CHECKOUT, tree, ignore=NOT_COPIED)
    for file in tree.rglob("*"):
        file.chmod(0o700 if file.stat().st_mode & 0o100 else 0o600)
        os.utime(file, (1e9, 1e9))
    again = build(tree, TZ="Asia/Kolkata")
    assert again.sdist.read_bytes() == built.sdist.read_bytes()
    assert again.wheel.read_bytes() == built.wheel.read_bytes()


def test_an_index_would_take_it(built: Built) -> None:
    twine = (sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel)
    assert run(*twine, cwd=built.tree).count("PASSED") == 2


def test_its_licence_is_an_spdx_expression(built: Built) -> None:
    found = described(built.wheel).metadata
    assert (found["License-Expression"], found["License-File"]) == ("MIT", "LICENSE")


def relative_files(tree: Path, folder: str) -> set[str]:
    """Return the files below ``folder`` as the archives name them."""
    return {
        file.relative_to(tree).as_posix()
        for file in (tree / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and ".egg-info" not in str(file)
    }

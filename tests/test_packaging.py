"""What a user gets: the wheel, the sdist and an editable install, each in its own environment.

Nothing is downloaded: the environments borrow the dependencies of the one that runs the tests,
and only those. The checkout is copied first and never written to.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
NOT_COPIED = shutil.ignore_patterns(
    ".*_cache", ".coverage*", ".git", ".hypothesis", ".tox", ".venv", "*.egg-info", "__pycache__",
    "build", "dist", "node_modules",
)  # fmt: skip

# Runs in the new environment and says what it finds there.
PROBE = """
import importlib.metadata, importlib.resources, json
import aiconfig_plugin, aiconfig_plugin.schemas
[script] = importlib.metadata.distribution("aiconfig-plugin").entry_points.select(name="aiconfig")
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
}))
"""


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


def run(*command: str | Path, cwd: Path) -> str:
    """Return the standard output; a failure shows everything that was printed."""
    hidden = ("PYTHON", "COV_", "COVERAGE_", "AICONFIG_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    shutil.copytree(CHECKOUT, tree, ignore=NOT_COPIED)
    for kind in ("--wheel", "--sdist"):
        run(sys.executable, "-m", "build", "--no-isolation", kind, "-o", folder, tree, cwd=folder)
    [wheel] = folder.glob("*.whl")
    [sdist] = folder.glob("*.tar.gz")
    return Built(tree, wheel, sdist)


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that is installed here, by symbolic links, without the plugin itself."""
    folder = tmp_path_factory.mktemp("dependencies")
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            if "aiconfig_plugin" not in entry.name:
                (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture(scope="module", params=["wheel", "sdist", "editable"])
def installed(
    request: pytest.FixtureRequest, built: Built, dependencies: Path, tmp_path_factory: Any
) -> Installed:
    environment = tmp_path_factory.mktemp(request.param) / "environment"
    empty = tmp_path_factory.mktemp("empty")
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


def test_the_version_is_that_of_the_files(installed: Installed, built: Built) -> None:
    assert built.wheel.name.split("-")[1] == installed.found["version"]
    assert built.sdist.name == f"aiconfig_plugin-{installed.found['version']}.tar.gz"


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = relative_files(built.tree, "aiconfig_plugin", lambda _: True)
    schemas = relative_files(built.tree, "schemas", lambda _: True)
    assert names == package | {f"aiconfig_plugin/{name}" for name in schemas}


def test_the_sdist_holds_what_is_needed_to_test_it(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = relative_files(built.tree, "tests", lambda file: file.suffix in {".py", ".json"})
    wanted |= {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "setup.py", "tox.ini"}
    assert wanted <= names


def relative_files(tree: Path, folder: str, wanted: Callable[[Path], bool]) -> set[str]:
    """Return the files below ``folder`` as the archives name them."""
    files = (file for file in (tree / folder).rglob("*") if file.is_file() and wanted(file))
    return {
        file.relative_to(tree).as_posix()
        for file in files
        if "__pycache__" not in file.parts and ".egg-info" not in str(file)
    }

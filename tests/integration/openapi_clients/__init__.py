"""Generators of clients, which turn the OpenAPI document into Python and TypeScript."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.integration.oidc_provider import NPM_INSTALL

HERE = Path(__file__).parent
PYTHON_GENERATOR = "openapi-python-client==0.29.1"
COMPILER = (
    "--strict",
    "--target",
    "es2022",
    "--module",
    "commonjs",
    "--moduleResolution",
    "node10",
)


class Generators:
    """The generators, kept in the virtual environment of the tests."""

    def __init__(self, fallback: Path) -> None:
        in_environment = sys.prefix != sys.base_prefix
        self.folder = Path(sys.prefix, "openapi-clients") if in_environment else fallback
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Tests run in several processes.
            wanted = (HERE / "package.json").read_text(encoding="utf-8") + PYTHON_GENERATOR
            done = self.folder / "installed"
            if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
                self._install()
                done.write_text(wanted, encoding="utf-8")

    def _install(self) -> None:
        shutil.copy(HERE / "package.json", self.folder)
        self.run(*NPM_INSTALL)
        venv.create(self.folder / "python", with_pip=True, clear=True)
        self.run(self._python("python"), "-m", "pip", "install", "--quiet", PYTHON_GENERATOR)

    def _python(self, name: str) -> str:
        return str(self.folder / "python" / "bin" / name)

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """Return all that it prints."""
        environ = {**os.environ, "PATH": f"{self.folder}/python/bin:{os.environ['PATH']}"}
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env={**environ, "CI": "true", "NO_COLOR": "1", "PYTHONPATH": str(cwd)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def python(self, document: Path) -> str:
        """Generate the Python client beside ``document``; return what was printed."""
        command = ("generate", "--path", str(document), "--meta", "none", "--output-path")
        target = document.parent / "ai_model_configuration_client"
        return self.run(self._python("openapi-python-client"), *command, str(target))

    def typescript(self, document: Path) -> str:
        """Generate both TypeScript clients beside ``document``, and compile a call of them."""
        folder = document.parent
        (folder / "node_modules").symlink_to(self.folder / "node_modules")
        shutil.copy(HERE / "call.ts", folder)
        bin = self.folder / "node_modules" / ".bin"
        printed = self.run(
            str(bin / "openapi-typescript"), document.name, "-o", "schema.d.ts", cwd=folder
        )
        printed += self.run(
            str(bin / "openapi-ts"),
            "-i",
            document.name,
            "-o",
            "hey",
            "-c",
            "@hey-api/client-fetch",
            cwd=folder,
        )
        return printed + self.run(str(bin / "tsc"), *COMPILER, "call.ts", cwd=folder)

    def call_python(self, document: Path, *arguments: str) -> str:
        return self.run(
            self._python("python"), str(HERE / "call.py"), *arguments, cwd=document.parent
        )

    def call_typescript(self, document: Path, *arguments: str) -> str:
        return self.run("node", "call.js", *arguments, cwd=document.parent)

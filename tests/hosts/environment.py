"""The virtual environment with the hosts, kept between runs."""

from __future__ import annotations

import ast
import fcntl
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

from tests.browser.node import install
from tests.support.processes import environment, need

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "hosts"
PROXY = "configurable-http-proxy@5.3.0"


def requirements() -> list[str]:
    """Return the extra ``hosts`` of ``setup.py``."""
    for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOSTS":
            wanted: list[str] = ast.literal_eval(node.value)
            return wanted
    raise AssertionError("setup.py has no HOSTS")


class HostEnvironment:
    """The hosts' packages, before those of this interpreter, which has the plugin."""

    def __init__(self, fallback: Path) -> None:
        in_environment = sys.prefix != sys.base_prefix
        self.folder = Path(sys.prefix, "hosts") if in_environment else fallback
        self.prefix = self.folder / "python"
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Tests run in several processes.
            self._install()

    def _install(self) -> None:
        done, wanted = self.folder / "installed", "\n".join(requirements())
        if done.is_file() and done.read_text(encoding="utf-8") == wanted:
            return
        venv.create(self.prefix, with_pip=True, clear=True)
        [packages] = (self.prefix / "lib").glob("python3*/site-packages")
        lines = [f"site.addsitedir({path!r})" for path in site.getsitepackages()]
        (packages / "plugin.pth").write_text(f"import site; {'; '.join(lines)}\n", "utf-8")
        command = [self.program("python"), "-m", "pip", "install", "--quiet", *requirements()]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        done.write_text(wanted, encoding="utf-8")

    def program(self, name: str) -> str:
        return str(self.prefix / "bin" / name)

    def proxy(self) -> str:
        """Return the path of JupyterHub's proxy, an npm package."""
        folder = self.folder / "proxy"
        program = folder / "node_modules" / ".bin" / "configurable-http-proxy"
        need("node")
        if not program.exists():
            folder.mkdir(exist_ok=True)
            install(folder, PROXY)
        return str(program)

    def environ(self, home: Path, **settings: str) -> dict[str, str]:
        """Return an environment in which nothing of this machine's users is found."""
        given = {**environment(**settings), "HOME": str(home), "PYTHONPATH": str(ROOT)}
        given["PATH"] = f"{self.folder / 'python' / 'bin'}:{os.environ['PATH']}"
        return {k: v for k, v in given.items() if not k.startswith(("JUPYTER", "BOKEH", "PANEL"))}

"""What a reader must know of the machine and the versions; nothing that names the machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "tornado", "motor", "pymongo", "authlib", "joserfc", "cryptography",
    "fastapi", "uvicorn", "uvloop", "pydantic",
)  # fmt: skip


def facts(mongodb: str) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "MongoDB": f"{mongodb}, standalone, on the same machine",
        **{name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()

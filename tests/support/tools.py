"""Programs that a test needs and a checkout cannot bring."""

from __future__ import annotations

import os
import shutil

import pytest


def require_tool(*names: str) -> None:
    """Skip the test without these programs, or fail it where REQUIRE_EVERY_TOOL is set."""
    missing = [name for name in names if shutil.which(name) is None]
    if not missing:
        return
    message = f"not installed: {', '.join(missing)}"
    if os.environ.get("REQUIRE_EVERY_TOOL"):
        pytest.fail(message)
    pytest.skip(message)

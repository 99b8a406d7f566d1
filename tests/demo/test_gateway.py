"""What the demo says when it cannot start."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from aiconfig_plugin.demo.gateway import run_demo
from aiconfig_plugin.errors import ConfigurationError


def refused(port: int, data: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(run_demo(port, data, stop=asyncio.Event()))
    return caught.value.detail


@pytest.mark.parametrize("above", [0, 1])
def test_a_port_that_is_taken_is_named_with_the_pair(tmp_path: Path, above: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        first = taken - above
        detail = refused(first, tmp_path / "data")
    assert detail.startswith(f"Port {taken} is taken")
    assert f"the demo needs {first} and {first + 1}" in detail
    assert "--port" in detail
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("port", [0, 65535])
def test_a_port_without_one_above_it_is_refused(tmp_path: Path, port: int) -> None:
    assert "from 1 to 65534" in refused(port, tmp_path / "data")

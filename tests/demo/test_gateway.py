"""What the demo says when it cannot start."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import pytest

from aiconfig_plugin.cli import main
from aiconfig_plugin.demo import gateway
from aiconfig_plugin.demo.gateway import run_demo
from aiconfig_plugin.errors import ConfigurationError
from tests.support.ports import two_free_ports


def refused(port: int, data: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(run_demo(port, data, stop=asyncio.Event()))
    return caught.value.detail


@pytest.mark.parametrize("above", [0, 1])
def test_a_port_that_is_taken_is_named_with_the_pair(tmp_path: Path, above: int) -> None:
    first = two_free_ports()
    taken = first + above
    with socket.create_server(("127.0.0.1", taken)):
        detail = refused(first, tmp_path / "data")
    assert detail.startswith(f"Port {taken} is taken")
    assert f"the demo needs {first} and {first + 1}" in detail
    assert "--port" in detail
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("port", [0, 65535])
def test_a_port_without_one_above_it_is_refused(tmp_path: Path, port: int) -> None:
    assert "from 1 to 65534" in refused(port, tmp_path / "data")


def test_ctrl_c_while_it_starts_ends_it_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bind = gateway._bind
    monkeypatch.setattr(gateway, "_bind", lambda stack, _port: bind(stack, 0))
    said: list[str] = []

    async def run() -> None:
        stop = asyncio.Event()
        stop.set()
        await run_demo(8888, tmp_path / "data", ready=said.append, stop=stop)

    asyncio.run(run())
    assert (said, caplog.messages) == ([], [])
    pid = int((tmp_path / "data" / "mongodb" / "mongod.lock").read_text() or 0)
    assert pid == 0  # mongod empties it when it ends.


def test_after_its_end_one_more_ctrl_c_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ended(*_given: object, **_options: object) -> None:
        return None

    monkeypatch.setattr("aiconfig_plugin.demo.run_demo", ended)
    before = signal.getsignal(signal.SIGINT)
    try:
        assert main(["demo"]) == 0
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)

"""Reading again: by content, applied whole or not at all, told once."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from aiconfig_plugin.composition.reloading import SEARCH_INTERVAL, Reloader, Source
from aiconfig_plugin.errors import ConfigurationError, StorageUnavailable
from aiconfig_plugin.private_file import read_file
from tests.test_metrics import Counts


class Text:
    """A source of text; counts how often it was parsed, and fails as it is told."""

    def __init__(self, file: Path, setting: str = "keyring") -> None:
        self.file = file
        self.parsed: list[str] = []
        self.applied: list[str] = []
        self.failure: Exception | None = None
        self.source = Source(setting, f"{file}: ", lambda: read_file(file), self.parse)

    def parse(self, content: bytes) -> str:
        self.parsed.append(content.decode())
        if content.startswith(b"wrong"):
            raise ConfigurationError("it is wrong.")
        return content.decode()

    async def apply(self, value: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.applied.append(value)


class Timer:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def text(tmp_path: Path) -> Text:
    file = tmp_path / "text"
    file.write_text("one")
    return Text(file)


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def reloader(text: Text, timer: Timer) -> Reloader:
    reloader = Reloader(timer=timer)
    assert text.source.open() == "one"
    reloader.watch_keyring(text.source, text.apply)
    return reloader


async def test_what_has_not_changed_is_not_parsed_again(text: Text, reloader: Reloader) -> None:
    text.file.touch()
    await reloader.reload()
    assert text.parsed == ["one"] and text.applied == []


async def test_what_has_changed_is_applied_once(text: Text, reloader: Reloader) -> None:
    text.file.write_text("two")
    for _ in range(3):
        await reloader.reload()
    assert text.parsed == ["one", "two"] and text.applied == ["two"]


async def test_a_file_that_is_swapped_under_a_link_is_read(
    tmp_path: Path, text: Text, reloader: Reloader
) -> None:
    """As Kubernetes changes a volume: the link that the path goes through."""
    other = tmp_path / "other"
    other.write_text("two")
    text.file.unlink()
    text.file.symlink_to(other)
    await reloader.reload()
    assert text.applied == ["two"]


async def test_what_is_wrong_is_told_once_and_changes_nothing(
    text: Text, reloader: Reloader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    text.file.write_text("wrong")
    for _ in range(3):
        await reloader.reload()
    assert text.applied == []
    told = f"AICONFIG_KEYRING: {text.file}: it is wrong. What was read before stays in use."
    assert caplog.messages == [told]
    text.file.unlink()
    await reloader.reload()
    assert "No such file" in caplog.messages[-1]
    text.file.write_text("one")
    await reloader.reload()
    assert caplog.messages[2:] == ["AICONFIG_KEYRING is as it was before."]
    assert text.parsed == ["one", "wrong", "wrong", "wrong"] and text.applied == []
    text.file.write_text("two")
    await reloader.reload()
    assert text.applied == ["two"]
    assert caplog.messages[3:] == ["AICONFIG_KEYRING was read again and has changed."]


@pytest.mark.parametrize(
    "failure", [ConfigurationError("it lacks a key."), StorageUnavailable("No response.")]
)
async def test_what_could_not_be_applied_is_tried_again(
    text: Text, reloader: Reloader, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    text.failure = failure
    text.file.write_text("two")
    for _ in range(2):
        await reloader.reload()
    assert str(failure) in caplog.text
    text.failure = None
    await reloader.reload()
    assert text.applied == ["two"]
    # An envelope is opened by a service, which is asked once for each changed file.
    assert text.parsed == ["one", "two"]


async def test_what_waits_gives_way_to_what_is_read_next(text: Text, reloader: Reloader) -> None:
    text.failure = ConfigurationError("it lacks a key.")
    text.file.write_text("two")
    await reloader.reload()
    text.file.write_text("three")
    await reloader.reload()
    text.failure = None
    await reloader.reload()
    assert text.applied == ["three"] and text.parsed == ["one", "two", "three"]


async def test_one_that_is_wrong_does_not_keep_others_from_being_read(
    tmp_path: Path, text: Text, reloader: Reloader
) -> None:
    other = Text(tmp_path / "other", "catalog")
    other.file.write_text("a")
    other.source.open()
    reloader.watch(other.source, other.apply)
    text.file.write_text("wrong")
    other.file.write_text("b")
    await reloader.reload()
    assert (text.applied, other.applied) == ([], ["b"])


async def test_an_unknown_key_causes_one_reading_in_a_while(
    text: Text, reloader: Reloader, timer: Timer
) -> None:
    text.file.write_text("two")
    await asyncio.gather(*(reloader.search_keyring() for _ in range(5)))
    assert text.applied == ["two"]
    text.file.write_text("three")
    timer.now += SEARCH_INTERVAL - 1
    await reloader.search_keyring()
    assert text.applied == ["two"]
    timer.now += 1
    await reloader.search_keyring()
    assert text.applied == ["two", "three"]


async def test_those_who_meet_an_unknown_key_meanwhile_wait_for_the_reading(
    text: Text, reloader: Reloader
) -> None:
    text.file.write_text("two")
    first = asyncio.create_task(reloader.search_keyring())
    await asyncio.sleep(0)
    await reloader.search_keyring()
    assert text.applied == ["two"]
    await first


async def test_the_metrics_tell_whether_and_when_it_was_read(
    text: Text, reloader: Reloader
) -> None:
    counts = Counts()
    text.file.write_text("wrong")
    await reloader.reload()
    assert counts.value("aiconfig_reload_success", "keyring") == 0
    assert counts["aiconfig_reload_timestamp_seconds", "keyring"] == 0
    text.file.write_text("two")
    await reloader.reload()
    assert counts.value("aiconfig_reload_success", "keyring") == 1
    assert counts["aiconfig_reload_timestamp_seconds", "keyring"] > 0

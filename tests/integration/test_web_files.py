"""The browser modules as the gateway serves them."""

from __future__ import annotations

import gzip
import re
from importlib import resources

import pytest

from tests.support.gateway import Gateway

NAMES = ("ai-config-client.js", "ai-config-settings.js", "ai-config-settings.css")
WEB = {
    file.name: file.read_bytes()
    for file in (resources.files("aiconfig_plugin") / "web").iterdir()
    if file.is_file()
}
TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


@pytest.mark.parametrize("name", NAMES)
async def test_a_stable_path_leads_to_one_that_is_cached_for_a_year(
    gateway: Gateway, name: str
) -> None:
    stable = await gateway.call("GET", f"/api/v1/web/{name}")
    assert stable.headers["Cache-Control"] == "no-cache"
    assert stable.headers["Content-Type"] == TYPES[name.rpartition(".")[2]]
    if name.endswith(".js"):
        assert stable.code == 200
        [present] = re.findall(r'^export \* from "\./([^"]+)";\n$', stable.body.decode())
    else:
        assert stable.code == 307
        present = stable.headers["Location"]
    assert re.fullmatch(rf"[0-9a-f]{{16}}/{re.escape(name)}", present)
    for method in ("GET", "HEAD"):
        file = await gateway.call(method, f"/api/v1/web/{present}")
        assert file.code == 200
        assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert file.headers["Content-Type"] == TYPES[name.rpartition(".")[2]]
        assert file.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_path_of_another_version_is_served_and_not_cached(gateway: Gateway) -> None:
    """As during a rolling upgrade, when another gateway has named the path."""
    path = "/api/v1/web/0123456789abcdef"
    file = await gateway.call("GET", f"{path}/ai-config-client.js")
    assert (file.code, file.headers["Cache-Control"]) == (200, "no-cache")
    assert b"export class AIConfigClient {" in file.body
    assert (await gateway.call("GET", f"{path}/other.js")).code == 404


async def test_files_are_compressed_for_those_who_ask(gateway: Gateway) -> None:
    path = f"/api/v1/web/0123456789abcdef/{NAMES[0]}"
    headers = {"Accept-Encoding": "gzip"}
    file = await gateway.client.fetch(
        gateway.url + path, headers=headers, decompress_response=False
    )
    assert file.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in file.headers["Vary"]
    plain = await gateway.call("GET", path)
    assert gzip.decompress(file.body) == plain.body


async def test_files_are_served_without_comments_and_with_the_same_lines(gateway: Gateway) -> None:
    """A comment in the text of a string over several lines would go as well: there is none."""
    for name, content in WEB.items():
        if name.rpartition(".")[2] not in TYPES:
            continue
        file = await gateway.call("GET", f"/api/v1/web/0123456789abcdef/{name}")
        lines = list(zip(content.split(b"\n"), file.body.split(b"\n"), strict=True))
        assert {served for line, served in lines if served != line} <= {b""}
        dropped = b"\n".join(line for line, served in lines if served != line)
        assert re.fullmatch(rb"(\s*(//.*|/\*(?s:(?!\*/).)*\*/)\n?)*", dropped), name
        assert not re.search(rb"^\s*(//|/\*\*$)", file.body, re.MULTILINE), name
        assert all(line.count(b"`") % 2 == 0 for line in content.split(b"\n")), name


async def test_the_entry_is_fetched_once_and_leads_to_all_other_modules(gateway: Gateway) -> None:
    entry = await gateway.call("GET", "/api/v1/web/ai-config.js")
    assert entry.headers["Cache-Control"] == "no-cache"
    named = set(re.findall(r'"\./([0-9a-f]{16})/([^"]+)"', entry.body.decode()))
    assert len({digest for digest, _ in named}) == 1
    static = re.compile(r'(?:from|import) "\./([^"]+\.js)"')
    needed = {name for text in WEB.values() for name in static.findall(text.decode())}
    assert {name for _, name in named} == needed


def test_the_files_refer_to_each_other_alone() -> None:
    reference = re.compile(r'(?:from |import |import\(|new URL\()"\./([^"]+)"')
    for text in map(bytes.decode, WEB.values()):
        assert set(reference.findall(text)) <= set(WEB)
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")

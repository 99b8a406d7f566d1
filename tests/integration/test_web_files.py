"""The browser modules as the gateway serves them."""

from __future__ import annotations

import re

import pytest

from tests.support.gateway import Gateway

NAMES = ("ai-config-client.js", "ai-config-settings.js", "ai-config-settings.css")
TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


@pytest.mark.parametrize("name", NAMES)
async def test_a_stable_path_leads_to_one_that_is_cached_for_a_year(
    gateway: Gateway, name: str
) -> None:
    stable = await gateway.call("GET", f"/api/v1/web/{name}")
    assert stable.headers["Cache-Control"] == "public, max-age=300"
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


async def test_all_that_a_module_imports_is_served_beside_it(gateway: Gateway) -> None:
    paths = set(gateway.routes())
    modules = [path for path in paths if path.startswith("/api/v1/web/") and path.endswith(".js")]
    for path in modules:
        if path.count("/") == 5:
            text = (await gateway.call("GET", path)).body.decode()
            for name in re.findall(r'(?:from |new URL\()"\./([^"]+)"', text):
                assert f"{path.rpartition('/')[0]}/{name}" in paths


async def test_the_files_name_no_address(gateway: Gateway) -> None:
    """They ask for nothing but what lies beside them and what their host gives them."""
    for path in gateway.routes():
        if path.startswith("/api/v1/web/") and path.count("/") == 5:
            text = (await gateway.call("GET", path)).body.decode()
            assert "://" not in text.replace("http://www.w3.org/2000/svg", "")

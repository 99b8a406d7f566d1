"""What counts as a request of a page of the same origin."""

from __future__ import annotations

import pytest

from aiconfig_plugin.http.cross_site import is_same_origin

HERE = "http://here.example:8888"


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": ""}, False),
        ({"Sec-Fetch-Site": "same-origin,cross-site"}, False),
        ({"Origin": HERE}, True),
        ({"Origin": "http://HERE.example:8888"}, True),
        ({"Origin": "http://here.example"}, False),
        ({"Origin": "https://here.example:8888"}, False),
        ({"Origin": "http://there.example:8888"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://"}, False),
        ({"Origin": "http://here.example:port"}, False),
        ({"Origin": "http://[here"}, False),
        # Where a browser says both, it is the first that no page can choose.
        ({"Sec-Fetch-Site": "cross-site", "Origin": HERE}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
    ],
    ids=str,
)
def test_the_origin_of_a_page(headers: dict[str, str], same: bool) -> None:
    assert is_same_origin(headers, "http", "here.example:8888") is same


@pytest.mark.parametrize(
    ("protocol", "host", "origin"),
    [
        ("http", "here.example", "http://here.example"),
        ("http", "here.example:80", "http://here.example"),
        ("https", "here.example", "https://here.example:443"),
        ("https", "[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_a_default_port_need_not_be_said(protocol: str, host: str, origin: str) -> None:
    assert is_same_origin({"Origin": origin}, protocol, host)


def test_a_request_without_a_host_has_no_origin() -> None:
    assert not is_same_origin({"Origin": "http://"}, "http", "")
    assert not is_same_origin({"Origin": "http://here.example"}, "http", "")

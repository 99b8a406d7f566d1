"""The settings of this gateway's own credentials, of CORS and of the resource, by name."""

from __future__ import annotations

import pytest

from aiconfig_plugin import Settings
from aiconfig_plugin.errors import ConfigurationError


@pytest.mark.parametrize(
    ("name", "field", "text", "value"),
    [
        ("AICONFIG_CLIENT_KEY", "client_key", "/etc/key.pem", "/etc/key.pem"),
        ("AICONFIG_CA_FILE", "ca_file", "/etc/ca.pem", "/etc/ca.pem"),
        ("AICONFIG_CORS_ORIGINS", "cors_origins", "https://a.example", ("https://a.example",)),
        ("AICONFIG_RESOURCE", "resource", "https://g.example/api/v1", "https://g.example/api/v1"),
        *(
            ("AICONFIG_CLIENT_AUTH_METHOD", "client_auth_method", method, method)
            for method in ("client_secret_basic", "client_secret_post", "private_key_jwt")
        ),
    ],
)
def test_each_is_read_from_its_variable(
    name: str, field: str, text: str, value: str | tuple[str, ...]
) -> None:
    assert getattr(Settings.from_env({name: text}), field) == value


def test_an_empty_one_is_not_set() -> None:
    names = ("AICONFIG_CLIENT_KEY", "AICONFIG_CA_FILE", "AICONFIG_CORS_ORIGINS")
    assert Settings.from_env(dict.fromkeys((*names, "AICONFIG_RESOURCE"), "")) == Settings()


def test_there_is_no_setting_that_switches_tls_off() -> None:
    for name in ("AICONFIG_VERIFY", "AICONFIG_INSECURE", "AICONFIG_TLS_VERIFY"):
        with pytest.raises(ConfigurationError, match=name):
            Settings.from_env({name: "0"})


@pytest.mark.parametrize("url", ["http://[", "http://h:port/", "http://h:99999", "h", "http://:1"])
def test_what_is_no_url_is_named(url: str) -> None:
    for name in ("AICONFIG_ISSUER", "AICONFIG_INTROSPECTION_ENDPOINT", "AICONFIG_RESOURCE"):
        with pytest.raises(ConfigurationError, match=name):
            Settings.from_env({name: url})

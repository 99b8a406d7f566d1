"""The environment is read once, by name, and nothing that is wrong in it gets through."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.settings import Settings

# variable, field, default, a value as it stands in the environment, what is read from it
NAMES: list[tuple[str, str, Any, str, Any]] = [
    ("AICONFIG_MONGODB_URI", "mongodb_uri", None, "mongodb://h:1", "mongodb://h:1"),
    ("AICONFIG_MONGODB_DATABASE", "mongodb_database", "aiconfig", "gateway", "gateway"),
    ("AICONFIG_KEYRING", "keyring", None, "/etc/keyring.json", "/etc/keyring.json"),
    ("AICONFIG_ISSUER", "issuer", None, "https://i.example/r", "https://i.example/r"),
    (
        "AICONFIG_INTROSPECTION_ENDPOINT",
        "introspection_endpoint",
        None,
        "http://127.0.0.1:8/x",
        "http://127.0.0.1:8/x",
    ),
    ("AICONFIG_CLIENT_ID", "client_id", None, "gate:way", "gate:way"),
    ("AICONFIG_CLIENT_SECRET", "client_secret", None, " s%c+r ", " s%c+r "),
    (
        "AICONFIG_CLIENT_AUTH_METHOD",
        "client_auth_method",
        "client_secret_basic",
        "client_secret_post",
        "client_secret_post",
    ),
    ("AICONFIG_AUDIENCE", "audience", None, "https://api.example", "https://api.example"),
    ("AICONFIG_SUBJECT_CLAIM", "subject_claim", "sub", "username", "username"),
    ("AICONFIG_READ_SCOPE", "read_scope", "ai-config:read", "r", "r"),
    ("AICONFIG_WRITE_SCOPE", "write_scope", "ai-config:write", "w", "w"),
    ("AICONFIG_INTROSPECTION_TTL", "introspection_ttl", 30, "2.5", 2.5),
    ("AICONFIG_INTROSPECTION_CACHE_SIZE", "introspection_cache_size", 10_000, "7", 7),
    ("AICONFIG_API_KEY_POLICY", "api_key_policy", "opaque", "opaque", "opaque"),
    ("AICONFIG_CLIENT_KEY", "client_key", None, "/etc/key.pem", "/etc/key.pem"),
    ("AICONFIG_CA_FILE", "ca_file", None, "/etc/ca.pem", "/etc/ca.pem"),
    ("AICONFIG_CORS_ORIGINS", "cors_origins", (), "https://a.example", ("https://a.example",)),
    ("AICONFIG_RESOURCE", "resource", None, "https://g.example/v1", "https://g.example/v1"),
    ("AICONFIG_PREFIX", "prefix", "/api/v1", "/a-b/v2.0", "/a-b/v2.0"),
]


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(environ)
    return caught.value.detail


def test_without_variables_every_setting_has_its_default() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    for _, field, default, _, _ in NAMES:
        assert getattr(settings, field) == default, field


def test_every_variable_sets_its_own_field_and_no_other() -> None:
    for name, field, default, text, value in NAMES:
        settings = Settings.from_env({name: text, "PATH": "/bin", "XAICONFIG_ISSUER": "x"})
        assert getattr(settings, field) == value, name
        assert dataclasses.replace(settings, **{field: default}) == Settings(), name


def test_every_field_is_in_the_table_of_this_test() -> None:
    listed = {field for _, field, *_ in NAMES}
    assert {field.name for field in dataclasses.fields(Settings)} == listed


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AICONFIG_CLIENT_ID", "from-the-process")
    monkeypatch.delenv("AICONFIG_MONGODB_URI", raising=False)
    assert Settings.from_env().client_id == "from-the-process"
    assert Settings.from_env({}).client_id is None


@pytest.mark.parametrize("value", ["", "x"])
@pytest.mark.parametrize("name", ["AICONFIG_ISSUERS", "AICONFIG_", "AICONFIG_issuer"])
def test_an_unknown_name_is_named_even_when_it_is_empty(name: str, value: str) -> None:
    detail = refusal({name: value, "AICONFIG_ISSUER": "https://i.example"})
    assert detail.startswith(f"{name} ")


WRONG = {
    "AICONFIG_ISSUER": ["issuer.example", "ftp://issuer.example", "https://", "http:///path"],
    "AICONFIG_INTROSPECTION_ENDPOINT": ["/introspect", "mailto:a@b.example", "https:introspect"],
    "AICONFIG_CLIENT_AUTH_METHOD": ["none", "client_secret_jwt", "CLIENT_SECRET_BASIC"],
    "AICONFIG_READ_SCOPE": ["two words", 'quo"te', "back\\slash", "lf\n", "ünï"],
    "AICONFIG_WRITE_SCOPE": ["two words", "\x7f"],
    "AICONFIG_INTROSPECTION_TTL": ["-0.001", "3600.1", "nan", "inf", "-inf", "x", "1,5"],
    "AICONFIG_INTROSPECTION_CACHE_SIZE": ["0", "-1", "1000001", "1.5", "1e3", "x", "nan"],
    "AICONFIG_API_KEY_POLICY": ["plain", "Opaque", "none"],
    "AICONFIG_PREFIX": ["api", "/api/", "/", "//api", "/a b", "/api\n", "/(x)", "/a?b", "/é"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_value_out_of_range_stops_the_start_and_is_named(name: str, value: str) -> None:
    assert refusal({name: value}).startswith(f"{name} ")


@pytest.mark.parametrize("name", ["AICONFIG_ISSUER", "AICONFIG_INTROSPECTION_ENDPOINT"])
def test_a_url_that_cannot_be_parsed_is_named(name: str) -> None:
    assert refusal({name: "https://[::1/introspect"}).startswith(f"{name} ")


@pytest.mark.parametrize(
    ("name", "field", "values"),
    [
        ("AICONFIG_INTROSPECTION_TTL", "introspection_ttl", ["0", "3600"]),
        ("AICONFIG_INTROSPECTION_CACHE_SIZE", "introspection_cache_size", ["1", "1000000"]),
    ],
)
def test_the_ends_of_a_range_belong_to_it(name: str, field: str, values: list[str]) -> None:
    for value in values:
        assert getattr(Settings.from_env({name: value}), field) == float(value)


@pytest.mark.parametrize("value", [True, None, "30"])
@pytest.mark.parametrize("field", ["introspection_ttl", "introspection_cache_size"])
def test_a_number_is_a_number_in_python_too(field: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"AICONFIG_{field.upper()} "):
        Settings(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["mongodb_database", "subject_claim"])
def test_a_name_that_is_needed_is_not_empty(field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"AICONFIG_{field.upper()} "):
        Settings(**{field: ""})  # type: ignore[arg-type]


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    may_be_empty = {"AICONFIG_READ_SCOPE", "AICONFIG_WRITE_SCOPE", "AICONFIG_PREFIX"}
    assert Settings.from_env({n: "" for n, *_ in NAMES if n not in may_be_empty}) == Settings()


def test_an_empty_scope_asks_for_none_and_an_empty_prefix_is_the_root() -> None:
    names = ("AICONFIG_READ_SCOPE", "AICONFIG_WRITE_SCOPE", "AICONFIG_PREFIX")
    settings = Settings.from_env(dict.fromkeys(names, ""))
    assert (settings.read_scope, settings.write_scope, settings.prefix) == ("", "", "")


SECRETS = {
    "AICONFIG_CLIENT_SECRET": "hush-0f9b",
    "AICONFIG_MONGODB_URI": "mongodb://user:hush-0f9b@db-0f9b.example/",
}


def test_repr_shows_no_secret_and_no_uri() -> None:
    settings = Settings.from_env({**SECRETS, "AICONFIG_CLIENT_ID": "gateway"})
    for text in (repr(settings), str(settings), f"{settings}"):
        assert "gateway" in text
        assert "0f9b" not in text
        assert "mongodb://" not in text


@pytest.mark.parametrize(("name", "value"), [("AICONFIG_PREFIX", "x"), ("AICONFIG_OTHER", "x")])
def test_a_refusal_shows_no_secret(name: str, value: str) -> None:
    assert "0f9b" not in refusal({**SECRETS, name: value})


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().issuer = "https://other.example"  # type: ignore[misc]

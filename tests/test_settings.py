"""The environment is read once, by name, and no invalid value gets through."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.settings import Settings, variable

TEXT = " te%c+x:t "
# For a setting that does not accept just any text: what does fit, and the value where it differs.
VALID: dict[str, dict[str, Any]] = {
    "keyring_command": {
        "sops -d ring.json": ("sops", "-d", "ring.json"),
        r"""cat 'a b' c\ d "e's" $X""": ("cat", "a b", "c d", "e's", "$X"),
    },
    "issuer": {"https://i.example/r": ...},
    "introspection_endpoint": {"http://127.0.0.1:8/x": ..., "https://[::1]:8/": ...},
    "tokens": {"jwt": ...},
    "jwks_uri": {"https://i.example/jwks": ..., "http://127.0.0.1:8/jwks": ...},
    "jwt_typ": {"any": ...},
    "introspection_rate": {"1": 1, "30": 30, "1000000": 1_000_000},
    "dpop": {"on": ..., "required": ...},
    "backchannel_logout": {"true": True},
    "mongodb_driver": {"pymongo": ...},
    "client_auth_method": {"client_secret_post": ..., "private_key_jwt": ...},
    "allow_http": {"true": True, "false": False},
    "clients": {
        "web": ("web",),
        "https://app.example/id, desktop": ("https://app.example/id", "desktop"),
        "a b": ("a b",),
    },
    "require_token_type": {"true": True},
    "read_scope": {"r": ..., "": ..., "!#[]~": ...},
    "write_scope": {"w": ..., "": ...},
    "introspection_ttl": {"2.5": 2.5, "0": 0.0, "3600": 3600.0},
    "introspection_cache_size": {"7": 7, "1": 1, "1000000": 1_000_000},
    "clock_leeway": {"0": 0.0, "60": 60.0},
    "api_key_policy": {"sealed": ...},
    "base_urls": {
        "public": ("public",),
        "http://127.0.0.1:11434, public": ("http://127.0.0.1:11434", "public"),
    },
    "prefix": {"/a-b/v2.0": ..., "": ...},
    "cors_origins": {
        "https://a.example": ("https://a.example",),
        "https://a.example, http://[::1]:5173": ("https://a.example", "http://[::1]:5173"),
    },
    "resource": {"https://g.example/v1": ...},
}
NOT_URLS = (
    *("issuer.example", "/introspect", "ftp://issuer.example", "mailto:a@b.example", "https://"),
    *("http:///path", "https:introspect", "http://[", "http://h:port/", "http://h:99999"),
    *("http://:1", "http://h:0", "https://[::1/introspect"),
)
INVALID: dict[str, tuple[str, ...]] = {
    "keyring_command": (" ", "cat 'a b", 'cat "', "cat \\"),
    "issuer": NOT_URLS,
    "introspection_endpoint": NOT_URLS,
    "tokens": ("JWT", "opaque", "jwt,introspection"),
    "jwks_uri": NOT_URLS,
    "jwt_typ": ("JWT", "at+JWT", "none"),
    "introspection_rate": ("0", "-1", "1000001", "1.5", "x"),
    "dpop": ("true", "ON", "yes"),
    "backchannel_logout": ("on", "1"),
    "mongodb_driver": ("Motor", "mongo", "motor,pymongo"),
    "client_auth_method": ("none", "client_secret_jwt", "CLIENT_SECRET_BASIC"),
    "clients": (",", "web,", "web,,desktop", " "),
    "require_token_type": ("yes", "1"),
    "allow_http": ("True", "FALSE", "1", "0", "yes", "on", " true"),
    "read_scope": ("two words", 'quo"te', "back\\slash", "lf\n", "ünï"),
    "write_scope": ("two words", "\x7f"),
    "introspection_ttl": ("-0.001", "3600.1", "nan", "inf", "-inf", "x", "1,5"),
    "introspection_cache_size": ("0", "-1", "1000001", "1.5", "1e3", "x", "nan"),
    "clock_leeway": ("-1", "60.1"),
    "api_key_policy": ("plain", "Opaque", "none"),
    "base_urls": ("https://a.example/v1", "Public", "*", "a.example", "http://127.1", "public,"),
    "prefix": ("api", "/api/", "/", "//api", "/a b", "/api\n", "/(x)", "/a?b", "/é"),
    "resource": (*NOT_URLS, "https://g.example/?a", "https://g.example/#a"),
}
FIELDS = [field.name for field in dataclasses.fields(Settings)]
SECRETS = {
    "AICONFIG_CLIENT_SECRET": "hush-0f9b",
    "AICONFIG_MONGODB_URI": "mongodb://user:hush-0f9b@db-0f9b.example/",
}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(environ)
    return caught.value.detail


@pytest.mark.parametrize("name", FIELDS)
def test_a_variable_sets_its_own_field_and_no_other(name: str) -> None:
    for text, value in VALID.get(name, {TEXT: ...}).items():
        settings = Settings.from_env({variable(name): text, "PATH": "/bin", "XAICONFIG_A": "x"})
        assert repr(getattr(settings, name)) == repr(text if value is ... else value)
        others = {name: getattr(Settings(), name)}
        assert dataclasses.replace(settings, **others) == Settings.from_env({}) == Settings()


@pytest.mark.parametrize(("name", "text"), [(n, text) for n in INVALID for text in INVALID[n]])
def test_an_invalid_value_stops_the_start_and_is_named(name: str, text: str) -> None:
    assert refusal({variable(name): text}).startswith(f"{variable(name)} must ")
    with pytest.raises(ConfigurationError, match=f"^{variable(name)} must "):
        Settings(**{name: text})  # type: ignore[arg-type]


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AICONFIG_CLIENT_ID", "from-the-process")
    monkeypatch.delenv("AICONFIG_MONGODB_URI", raising=False)
    assert Settings.from_env().client_id == "from-the-process"
    assert Settings.from_env({}).client_id is None


@pytest.mark.parametrize("value", ["", "x"])
@pytest.mark.parametrize(
    "name", ["AICONFIG_ISSUERS", "AICONFIG_", "AICONFIG_issuer", "AICONFIG_VERIFY"]
)
def test_an_unknown_name_is_named_even_when_it_is_empty(name: str, value: str) -> None:
    detail = refusal({name: value, "AICONFIG_ISSUER": "https://i.example"})
    assert detail.startswith(f"{name} ")


@pytest.mark.parametrize("value", [True, None, "30"])
@pytest.mark.parametrize("name", ["introspection_ttl", "introspection_cache_size", "clock_leeway"])
def test_a_number_is_a_number_in_python_too(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable(name)} "):
        Settings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mongodb_database", "subject_claim"])
def test_a_name_that_is_needed_is_not_empty(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable(name)} must not be empty"):
        Settings(**{name: ""})  # type: ignore[arg-type]


def test_the_keyring_is_of_a_file_or_of_a_command() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings(keyring="ring.json", keyring_command="cat ring.json")
    told = "AICONFIG_KEYRING and AICONFIG_KEYRING_COMMAND are both set; set one."
    assert refused.value.detail == told
    assert Settings(keyring_command=["cat", "a b"]).keyring_command == ("cat", "a b")
    with pytest.raises(ConfigurationError, match="AICONFIG_KEYRING_COMMAND must be a command"):
        Settings(keyring_command=["cat", 7])  # type: ignore[list-item]


def test_an_empty_variable_is_not_set_unless_empty_is_a_value() -> None:
    assert Settings.from_env(dict.fromkeys(map(variable, FIELDS), "")) == Settings(
        read_scope="", write_scope="", prefix=""
    )


@pytest.mark.parametrize("given", [1, 0, "true", None])
def test_a_switch_is_a_boolean_in_python_too(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="AICONFIG_ALLOW_HTTP must be true or false"):
        Settings(allow_http=given)


HTTP = {
    "http://localhost:9000": True,
    "http://127.0.0.1": True,
    "http://127.8.9.1:80/x": True,
    "http://[::1]/": True,
    "https://login.example": True,
    "http://login.example": False,
    "HTTP://login.example": False,
    "http://localhost.example": False,
    "http://127.0.0.1.example": False,
    "http://192.168.1.2": False,
    "http://0.0.0.0": False,
    "http://[::]": False,
}


@pytest.mark.parametrize("url", HTTP)
@pytest.mark.parametrize("name", ["issuer", "introspection_endpoint", "jwks_uri"])
def test_plain_http_is_for_loopback_unless_it_is_allowed(name: str, url: str) -> None:
    environ = {variable(name): url}
    if HTTP[url]:
        Settings.from_env(environ)
    else:
        assert refusal(environ).startswith(f"{variable(name)} must be an https URL")
        assert "AICONFIG_ALLOW_HTTP=true" in refusal(environ)
        Settings.from_env({**environ, "AICONFIG_ALLOW_HTTP": "true"})


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

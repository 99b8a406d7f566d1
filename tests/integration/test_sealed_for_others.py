"""A sealed key that leaks is of no use to another user."""

from __future__ import annotations

import json

import pytest

from aiconfig_plugin.client import seal
from tests.support.gateway import READ_PATH, Gateway, body, entry, problem


@pytest.mark.gen_test(timeout=60)
async def test_a_key_sealed_by_one_user_is_not_accepted_from_another(gateway: Gateway) -> None:
    alice, bob = gateway.user("alice"), gateway.user("bob")
    path = READ_PATH + "/encryption-key"
    document = json.loads((await gateway.call("GET", path, headers=alice.auth)).body)
    sealed = seal(document, "an API key", provider="OpenAI")
    problem(await bob.create(body(entry(key=sealed))), 422, "key-not-accepted")
    assert (await alice.create(body(entry(key=sealed)))).code == 201

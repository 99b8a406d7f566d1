"""The audit trail: one JSON record for each use of a configuration, on its own logger.

A record says who did what, and where in the document something changed (JSON Pointers, RFC
6901). That of a refusal has the same fields, ``refused`` with the problem code, and in
``changed`` the places that were refused. A record never holds a key, a ciphertext, a token or
the text of a prompt. Records are of level INFO: a host that wants them configures the logger
``aiconfig_plugin.audit``.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, Literal, TypeAlias, TypeVar, cast

from aiconfig_plugin.domain.model import AIConfig, Owner
from aiconfig_plugin.errors import AIConfigError

Action: TypeAlias = Literal[
    "create", "read-keys", "update", "delete", "resolve", "verify", "retire", "move"
]
_UseCase = TypeVar("_UseCase", bound=Callable[..., Any])

logger = logging.getLogger("aiconfig_plugin.audit")


def record(
    action: Action,
    owner: Owner | None,
    revision: str | None = None,
    *,
    client_id: str | None = None,
    changed: Sequence[str] = (),
    refused: AIConfigError | None = None,
) -> None:
    """Write one record.

    ``client_id`` is the OAuth client that acted; None is the gateway. ``owner`` is None for
    ``retire``, where ``changed`` holds ids of keys.
    """
    if not is_wanted():
        return
    entry = {
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "action": action,
        "issuer": owner.issuer if owner else None,
        "subject": owner.subject if owner else None,
        "client_id": client_id,
        "revision": revision,
        "changed": list(changed),
    }
    if refused:
        entry["refused"] = refused.code
    logger.info("%s", json.dumps(entry))


def records_refusals(
    action: Action, *refusals: type[AIConfigError]
) -> Callable[[_UseCase], _UseCase]:
    """Record when a use case, which takes the owner first, raises one of ``refusals``."""

    def decorate(use_case: _UseCase) -> _UseCase:
        @functools.wraps(use_case)
        async def recording(self: Any, owner: Owner, *args: Any, **given: Any) -> Any:
            try:
                return await use_case(self, owner, *args, **given)
            except refusals as err:
                client_id = given.get("client_id")
                places = [violation.pointer for violation in getattr(err, "violations", ())]
                record(action, owner, client_id=client_id, changed=places, refused=err)
                raise

        return cast(_UseCase, recording)

    return decorate


def is_wanted() -> bool:
    """Tell whether anybody listens, for what is worked out for a record alone."""
    return logger.isEnabledFor(logging.INFO)


def changed_pointers(before: AIConfig, after: AIConfig) -> list[str]:
    """Return where ``after`` differs from ``before``.

    ``/models`` stands for an entry that is gone, and for another order.
    """
    old = {entry.identity: entry for entry in before.models}
    new = [entry.identity for entry in after.models]
    pointers = []
    if [identity for identity in old if identity in new] != [i for i in new if i in old] or any(
        identity not in new for identity in old
    ):
        pointers.append("/models")
    for number, entry in enumerate(after.models):
        previous = old.get(entry.identity)
        if previous is None:
            pointers.append(f"/models/{number}")
            continue
        if entry.key != previous.key:
            pointers.append(f"/models/{number}/apiKeyEncrypted")
        pointers += [
            f"/models/{number}/{member}"
            for member, now, then in (
                ("isPaid", entry.is_paid, previous.is_paid),
                ("enabled", entry.enabled, previous.enabled),
                ("baseUrl", entry.base_url, previous.base_url),
                ("options", entry.options, previous.options),
            )
            if now != then
        ]
    if after.system_prompt != before.system_prompt:
        pointers.append("/system_prompt")
    return pointers

"""The command line. Exit code 0 is success, 1 a failure, 2 a wrong argument or setting."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import shtab
from tornado.netutil import bind_sockets
from tornado.web import Application

from aiconfig_plugin.cli.keys import add_key_commands
from aiconfig_plugin.cli.serving import DrainingServer
from aiconfig_plugin.domain import unreadable_keys, verify_keyring
from aiconfig_plugin.errors import (
    AIConfigError,
    AuthorizationServerUnavailable,
    ConfigurationError,
    InvalidToken,
    KeyUnreadable,
    StorageUnavailable,
)
from aiconfig_plugin.http import openapi_json
from aiconfig_plugin.introspection import IntrospectionAuthenticator
from aiconfig_plugin.plugin import AIConfigPlugin, open_repository, open_vault
from aiconfig_plugin.settings import Settings, variable

_WHERE: Mapping[type[AIConfigError], Sequence[str]] = {
    StorageUnavailable: ("mongodb_uri",),
    AuthorizationServerUnavailable: ("issuer", "introspection_endpoint"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an error is one line on standard error."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except ConfigurationError as err:
        print(f"aiconfig: {err.detail}", file=sys.stderr)
        return 2
    except StorageUnavailable as err:
        print(f"aiconfig: {_with_hint(err)}", file=sys.stderr)
        return 1
    except AIConfigError as err:
        print(f"aiconfig: {err.title}: {err.detail}", file=sys.stderr)
        return 1


def _with_hint(err: AIConfigError) -> str:
    """Return what is wrong; for a part that cannot be reached, with the setting that names it."""
    told = err.detail or err.title
    for kind, names in _WHERE.items():
        if isinstance(err, kind):
            where = " or ".join(map(variable, names))
            return f"{told} {where} says where it is; is it running, and reachable from here?"
    return told


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aiconfig",
        description="User-owned AI model configuration for a Tornado gateway.",
        epilog="Settings are AICONFIG_... variables of the environment; check tells if they fit.",
    )
    version = f"%(prog)s {metadata.version('aiconfig-plugin')}"
    parser.add_argument("--version", action="version", version=version)
    shtab.add_argument_to(parser, "--print-completion", "print a completion script for this shell")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="a small gateway with just this plugin")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument("--port", type=_port, default=8888, help="port to listen on (%(default)s)")
    serve.set_defaults(run=_serve)

    demo = commands.add_parser("demo", help="everything on one machine, with two users")
    demo.add_argument("--port", type=_port, default=8888, help="the gateway's port (%(default)s)")
    data = demo.add_argument(
        "--data",
        type=Path,
        default=Path("aiconfig-demo"),
        metavar="DIR",
        help="where its data stay (%(default)s)",
    )
    data.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    demo.set_defaults(run=_demo)

    add_key_commands(commands)

    check = commands.add_parser("check", help="settings, keyring, store, authorization server")
    check.set_defaults(run=_check)

    openapi = commands.add_parser("openapi", help="print the OpenAPI document")
    openapi.set_defaults(run=_openapi)
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _serve(arguments: argparse.Namespace) -> int:
    return asyncio.run(_until_stopped(_run_gateway, arguments))


async def _run_gateway(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    plugin = AIConfigPlugin(Settings.from_env())
    app = Application()
    plugin.mount(app)
    server = DrainingServer(app)
    try:
        sockets = bind_sockets(arguments.port, arguments.host)
    except (OSError, OverflowError) as err:
        why = getattr(err, "strerror", None) or err
        raise ConfigurationError(f"{_where(arguments)} cannot be listened on: {why}.") from None
    try:
        await plugin.start()
        server.add_sockets(sockets)
        print(f"aiconfig listens on http://{_where(arguments)}{plugin.settings.prefix}", flush=True)
        await stop.wait()
    finally:
        await server.drain()
        await plugin.close()


def _where(arguments: argparse.Namespace) -> str:
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    return f"{host}:{arguments.port}"


def _demo(arguments: argparse.Namespace) -> int:
    return asyncio.run(_until_stopped(_run_demo, arguments))


async def _run_demo(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    try:
        from aiconfig_plugin.demo import run_demo
    except ImportError as err:
        raise ConfigurationError(
            f"The demo needs more: pip install 'aiconfig-plugin[demo]' ({err})."
        ) from err
    await run_demo(arguments.port, arguments.data, stop=stop)


async def _until_stopped(
    run: Callable[[argparse.Namespace, asyncio.Event], Awaitable[None]],
    arguments: argparse.Namespace,
) -> int:
    """Run until SIGINT, SIGTERM or SIGHUP asks for the end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    await run(arguments, stop)
    return 0


def _check(_arguments: argparse.Namespace) -> int:
    return asyncio.run(_run_check())


async def _run_check() -> int:
    try:
        settings = Settings.from_env()
    except ConfigurationError as err:
        _report("settings", f"FAILED: {err.detail}")
        return 1
    _report("settings", "fit")
    checks = {
        "keyring": _check_keyring,
        "store": _check_store,
        "authorization server": _check_authorization_server,
    }
    failed = 0
    for name, check in checks.items():
        try:
            _report(name, await check(settings))
        except AIConfigError as err:
            failed = 1
            _report(name, f"FAILED: {_with_hint(err)}")
    return failed


def _report(name: str, text: str) -> None:
    print(f"{name:<20}  {text}", flush=True)


async def _check_keyring(settings: Settings) -> str:
    open_vault(settings)
    return "can be used"


async def _check_store(settings: Settings) -> str:
    repository = open_repository(settings)
    try:
        await repository.start()
        counts = await repository.count_by_kid()
        count = sum(counts.values())
        try:
            vault = open_vault(settings)
        except ConfigurationError:
            return f"answers; whether its {count} stored keys open cannot be told"
        if unreadable := unreadable_keys(counts, vault):
            kids = ", ".join(f"{count} by {kid}" for kid, count in unreadable.items())
            raise KeyUnreadable(f"stored keys are wrapped by keys not on the keyring: {kids}")
        await verify_keyring(repository, vault, counts)
    finally:
        await repository.close()
    return f"answers; the keyring opens its {count} stored keys"


async def _check_authorization_server(settings: Settings) -> str:
    introspection = IntrospectionAuthenticator(settings)
    try:
        await introspection.start()
        await introspection.authenticate(secrets.token_urlsafe())
    except InvalidToken:
        return "answers, and accepts this gateway's credentials"
    finally:
        await introspection.close()
    raise ConfigurationError("it calls a made-up token active.")


def _openapi(_arguments: argparse.Namespace) -> int:
    sys.stdout.buffer.write(openapi_json(Settings.from_env()) + b"\n")
    return 0

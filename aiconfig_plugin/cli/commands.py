"""The command line. Exit code 0 is success, 1 a failure, 2 a wrong argument or setting."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click
from tornado.netutil import bind_sockets
from tornado.routing import URLSpec
from tornado.web import Application

from aiconfig_plugin.access import IntrospectionAuthenticator
from aiconfig_plugin.base_url import Origins
from aiconfig_plugin.cli.catalog import catalog_command, summary
from aiconfig_plugin.cli.keys import keyring_command, rotate_command, seal_command
from aiconfig_plugin.cli.logs import configure_logging
from aiconfig_plugin.cli.serving import DrainingServer, reloading_on_hangup
from aiconfig_plugin.composition import open_policy, open_repository, open_vault
from aiconfig_plugin.domain import unreadable_keys, verify_keyring
from aiconfig_plugin.errors import (
    AIConfigError,
    AuthorizationServerUnavailable,
    ConfigurationError,
    InvalidToken,
    KeyUnreadable,
    StorageUnavailable,
)
from aiconfig_plugin.http import MetricsHandler, openapi_json
from aiconfig_plugin.metrics import process_metrics
from aiconfig_plugin.plugin import AIConfigPlugin
from aiconfig_plugin.settings import Settings, variable


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an error is one line on standard error."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    try:
        return command.main(argv, "aiconfig", standalone_mode=False) or 0
    except click.ClickException as err:
        err.show()
        return err.exit_code
    except click.Abort:
        click.echo("aiconfig: Aborted.", err=True)
        return 1
    except AIConfigError as err:
        click.echo(f"aiconfig: {_describe(err)}", err=True)
        return 2 if isinstance(err, ConfigurationError) else 1


def _describe(err: AIConfigError) -> str:
    """Return what is wrong; for a system that does not respond, with the settings to check."""
    match err:
        case StorageUnavailable():
            return f"{err.detail} Check {variable('mongodb_uri')} and the network."
        case AuthorizationServerUnavailable():
            issuer, endpoint = variable("issuer"), variable("introspection_endpoint")
            return f"{err.detail} Check {issuer}, {endpoint} and the network."
    return err.detail or err.title


@click.group(
    no_args_is_help=False,
    epilog="Settings are AICONFIG_... variables of the environment; check verifies them.",
)
@click.version_option(package_name="aiconfig-plugin", message="%(prog)s %(version)s")
def command() -> None:
    """User-owned AI model configuration for a Tornado gateway."""


command.add_command(keyring_command)
command.add_command(catalog_command)
command.add_command(seal_command)
command.add_command(rotate_command)

_port = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8888,
    show_default=True,
    help="Port to listen on.",
)


@command.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@_port
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="warning",
    show_default=True,
    help="From info on, the log has the audit trail.",
)
@click.option("--metrics", is_flag=True, help="Answer GET /metrics, for Prometheus.")
def _serve(host: str, port: int, log_format: str, log_level: str, metrics: bool) -> None:
    """Run a standalone gateway.

    GET /healthz and /readyz answer probes.
    """
    configure_logging(log_format, log_level)
    if metrics and process_metrics().content_type is None:
        raise ConfigurationError(
            "--metrics needs one more package: pip install 'aiconfig-plugin[metrics]'."
        )
    routes = [URLSpec("/metrics", MetricsHandler)] if metrics else []
    run_until_stopped(lambda stop: _run_gateway(host, port, routes, stop))


async def _run_gateway(
    host: str, port: int, routes: Sequence[URLSpec], stop: asyncio.Event
) -> None:
    plugin = AIConfigPlugin(Settings.from_env())
    app = Application([*routes, *plugin.health_handlers()])
    plugin.mount(app)
    server = DrainingServer(app)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        sockets = bind_sockets(port, host)
    except OSError as err:
        raise ConfigurationError(f"Cannot listen on {address}: {err.strerror}.") from None
    try:
        async with reloading_on_hangup(plugin):
            await plugin.start()
            server.add_sockets(sockets)
            click.echo(f"aiconfig listens on http://{address}{plugin.settings.prefix}")
            await stop.wait()
    finally:
        await server.drain()
        await plugin.close()
        for each in sockets:  # also those that the server was never given
            each.close()


@command.command("demo")
@_port
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default="aiconfig-demo",
    show_default=True,
    metavar="DIR",
    help="Directory for its data.",
)
def _demo(port: int, data: Path) -> None:
    """Run a local demo.

    It has a database, an authorization server with two users, and a gateway with a web page.
    """
    try:
        from aiconfig_plugin.demo import run_demo
    except ImportError as err:
        raise ConfigurationError(
            f"The demo needs more packages: pip install 'aiconfig-plugin[demo]' ({err})."
        ) from err
    run_until_stopped(lambda stop: run_demo(port, data, stop=stop))


def run_until_stopped(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP asks for the end; on uvloop where it is installed.

    ``run`` may handle SIGHUP itself.
    """

    async def until_stopped() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        await run(stop)

    try:
        import uvloop
    except ImportError:
        asyncio.run(until_stopped())
    else:
        uvloop.run(until_stopped())


@command.command("check")
def _check() -> int:
    """Check settings, keyring, store and authorization server."""
    return asyncio.run(_run_check())


async def _run_check() -> int:
    try:
        settings = Settings.from_env()
    except ConfigurationError as err:
        _report("settings", f"FAILED: {err.detail}")
        return 1
    _report("settings", "OK")
    checks = {
        "keyring": _check_keyring,
        "store": _check_store,
        "authorization server": _check_authorization_server,
    }
    if settings.catalog or settings.shared_keys:
        checks["catalogue"] = _check_catalog
    failed = 0
    for name, check in checks.items():
        try:
            _report(name, await check(settings))
        except AIConfigError as err:
            failed = 1
            _report(name, f"FAILED: {_describe(err)}")
    return failed


def _report(name: str, text: str) -> None:
    click.echo(f"{name:<20}  {text}")


async def _check_keyring(settings: Settings) -> str:
    open_vault(settings)
    return "OK"


async def _check_catalog(settings: Settings) -> str:
    policy = open_policy(settings, Origins(settings.base_urls))
    catalog, keys = policy.catalog, policy.shared_keys
    unused = sorted(name for name in keys if catalog.shared_key(name) == "never")
    if unused:
        raise ConfigurationError(
            f"{variable('shared_keys')} has a key for {', '.join(unused)}, whose sharedKey in "
            f"{variable('catalog')} is never."
        )
    return f"OK; {summary(catalog)}; shared keys: {', '.join(keys) or 'none'}"


async def _check_store(settings: Settings) -> str:
    repository = open_repository(settings)
    try:
        await repository.start()
        counts = await repository.count_by_kid()
        count = sum(counts.values())
        try:
            vault = open_vault(settings)
        except ConfigurationError:
            return f"reachable; {count} stored keys not verified"
        if unreadable := unreadable_keys(counts, vault):
            kids = ", ".join(f"{count} by {kid}" for kid, count in unreadable.items())
            raise KeyUnreadable(f"stored keys are wrapped by keys not on the keyring: {kids}.")
        await verify_keyring(repository, vault, counts)
    finally:
        await repository.close()
    return f"OK; the keyring fits its {count} stored keys"


async def _check_authorization_server(settings: Settings) -> str:
    introspection = IntrospectionAuthenticator(settings)
    try:
        await introspection.start()
        await introspection.authenticate(secrets.token_urlsafe())
    except InvalidToken:
        return "OK; it accepts this gateway's credentials"
    finally:
        await introspection.close()
    raise ConfigurationError("the endpoint accepted an invalid token.")


@command.command("openapi")
def _openapi() -> None:
    """Print the OpenAPI document."""
    click.echo(openapi_json(Settings.from_env()))

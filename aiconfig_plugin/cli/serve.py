"""The command that runs a standalone gateway."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence

import click
from tornado.netutil import bind_sockets
from tornado.routing import URLSpec
from tornado.web import Application

from aiconfig_plugin.cli.logs import configure_logging
from aiconfig_plugin.cli.serving import DrainingServer, reloading_on_hangup
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.http import MetricsHandler
from aiconfig_plugin.metrics import process_metrics
from aiconfig_plugin.plugin import AIConfigPlugin
from aiconfig_plugin.settings import Settings

port_option = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8888,
    show_default=True,
    help="Port to listen on.",
)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@port_option
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
def serve_command(host: str, port: int, log_format: str, log_level: str, metrics: bool) -> None:
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

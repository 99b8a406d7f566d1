"""The command that runs a standalone gateway."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import click
from tornado.netutil import bind_sockets
from tornado.routing import URLSpec
from tornado.web import Application

from aiconfig_plugin.cli.logs import configure_logging
from aiconfig_plugin.cli.messages import exit_code
from aiconfig_plugin.cli.serving import DrainingServer, reloading_on_hangup
from aiconfig_plugin.cli.workers import Supervisor, Worker
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.http import MetricsHandler
from aiconfig_plugin.metrics import metrics_of_several_processes, process_metrics
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
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes that serve the port; one that ends is replaced.",
)
def serve_command(
    host: str, port: int, log_format: str, log_level: str, metrics: bool, workers: int
) -> int:
    """Run a standalone gateway.

    GET /healthz and /readyz answer probes.
    """
    configure_logging(log_format, log_level)
    settings = Settings.from_env()
    with ExitStack() as opened:
        if metrics and workers > 1:
            opened.enter_context(metrics_of_several_processes())
        if metrics and process_metrics().content_type is None:
            raise ConfigurationError(
                "--metrics needs one more package: pip install 'aiconfig-plugin[metrics]'."
            )
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        sockets = opened.enter_context(_listening(address, host, port))
        routes = [URLSpec("/metrics", MetricsHandler)] if metrics else []
        gateway = partial(_run_gateway, settings, sockets, routes)

        def announce() -> None:
            click.echo(f"aiconfig listens on http://{address}{settings.prefix}")

        if workers == 1:
            run_until_stopped(lambda stop: gateway(stop, announce))
            return 0
        serve = partial(_serve_as_worker, gateway)
        ended = process_metrics().process_ended
        return Supervisor(workers, serve, ready=announce, ended=ended).run()


@contextmanager
def _listening(address: str, host: str, port: int) -> Iterator[Sequence[socket.socket]]:
    try:
        sockets = bind_sockets(port, host)
    except OSError as err:
        raise ConfigurationError(f"Cannot listen on {address}: {err.strerror}.") from None
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


async def _run_gateway(
    settings: Settings,
    sockets: Sequence[socket.socket],
    routes: Sequence[URLSpec],
    stop: asyncio.Event,
    announce: Callable[[], None],
) -> None:
    plugin = AIConfigPlugin(settings)
    app = Application([*routes, *plugin.health_handlers()])
    plugin.mount(app)
    server = DrainingServer(app)
    try:
        async with reloading_on_hangup(plugin):
            await plugin.start()
            server.add_sockets(sockets)
            announce()
            await stop.wait()
    finally:
        await server.drain()
        await plugin.close()


def _serve_as_worker(
    gateway: Callable[[asyncio.Event, Callable[[], None]], Awaitable[None]], worker: Worker
) -> int:
    async def run(stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(worker.parent_gone)
            stop.set()

        loop.add_reader(worker.parent_gone, end)
        await gateway(stop, worker.announce)

    return exit_code(lambda: run_until_stopped(run))


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

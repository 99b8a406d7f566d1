"""Bokeh with the plugin: python examples/hosts/bokeh_server.py [PORT] [PREFIX].

The settings page is at /ai-config.
"""

import sys
from pathlib import Path

from bokeh.models import Div
from bokeh.server.auth_provider import AuthModule
from bokeh.server.server import Server

from aiconfig_plugin.hosts.bokeh import BokehHost


def app(document):
    document.add_root(Div(text="Your application"))


if __name__ == "__main__":
    port, prefix = (*sys.argv[1:], "5006", "")[:2]
    server = Server(
        {"/": app},
        port=int(port),
        prefix=prefix,
        extra_patterns=BokehHost().routes(),
        auth_provider=AuthModule(Path(__file__).with_name("auth.py")),
        cookie_secret="yours outlives the process and is in no file",
    )
    print("Bokeh listens", flush=True)
    server.run_until_shutdown()

"""The whole product on one machine: a private MongoDB, an authorization server, the gateway."""

from aiconfig_plugin.demo.gateway import run_demo

__all__ = ["run_demo"]

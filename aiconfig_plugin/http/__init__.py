"""The routes: requests in, representations and problem documents out. Knows Tornado, jsonschema."""

from aiconfig_plugin.http.backchannel_logout import LogOut
from aiconfig_plugin.http.browser_files import web_routes
from aiconfig_plugin.http.challenge import WELL_KNOWN, Schemes, resource_metadata
from aiconfig_plugin.http.config import HTTPConfig
from aiconfig_plugin.http.health import HealthHandler, MetricsHandler
from aiconfig_plugin.http.identity import HandlerAuthenticator, check_principal
from aiconfig_plugin.http.openapi import build_openapi, openapi_json
from aiconfig_plugin.http.operations import Access
from aiconfig_plugin.http.problems import PROBLEMS
from aiconfig_plugin.http.representation import INCLUDES, represent
from aiconfig_plugin.http.routes import ROUTES, url_specs
from aiconfig_plugin.http.validation import parse_submission

__all__ = [
    "Access",
    "HTTPConfig",
    "HandlerAuthenticator",
    "HealthHandler",
    "INCLUDES",
    "LogOut",
    "MetricsHandler",
    "PROBLEMS",
    "ROUTES",
    "Schemes",
    "WELL_KNOWN",
    "build_openapi",
    "check_principal",
    "openapi_json",
    "parse_submission",
    "represent",
    "resource_metadata",
    "url_specs",
    "web_routes",
]

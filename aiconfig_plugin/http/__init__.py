"""The routes: requests in, representations and problem documents out. Knows Tornado, jsonschema."""

from aiconfig_plugin.http.base import Access, Parts
from aiconfig_plugin.http.browser_files import web_routes
from aiconfig_plugin.http.challenge import WELL_KNOWN, metadata_url, resource_metadata
from aiconfig_plugin.http.config import ROUTES, ResourceMetadataHandler
from aiconfig_plugin.http.health import HealthHandler
from aiconfig_plugin.http.openapi import PROBLEMS, build_openapi, openapi_json
from aiconfig_plugin.http.validation import parse_submission

__all__ = [
    "Access",
    "HealthHandler",
    "PROBLEMS",
    "Parts",
    "ROUTES",
    "ResourceMetadataHandler",
    "WELL_KNOWN",
    "build_openapi",
    "metadata_url",
    "openapi_json",
    "parse_submission",
    "resource_metadata",
    "web_routes",
]

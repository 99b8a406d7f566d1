"""The operator's files: the catalogue and the shared keys. Knows jsonschema."""

from aiconfig_plugin.catalog.files import load_catalog, load_shared_keys

__all__ = ["load_catalog", "load_shared_keys"]

"""The operator's files: the catalogue and the shared keys. Knows jsonschema and genai-prices."""

from aiconfig_plugin.catalog.files import load_catalog, parse_catalog, parse_shared_keys
from aiconfig_plugin.catalog.importing import import_bundled, import_file

__all__ = [
    "import_bundled",
    "import_file",
    "load_catalog",
    "parse_catalog",
    "parse_shared_keys",
]

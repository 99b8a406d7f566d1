"""Configuration of the documentation build: sphinx-build -W docs docs/_build."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "aiconfig_plugin"
version = release = metadata.version("aiconfig-plugin")
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "pages"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3

nitpicky = True
# Names of other projects are not linked: their inventories would have to be downloaded.
nitpick_ignore_regex = [("py:.*", r"(?!aiconfig_plugin\b).*")]
# Hosts have no use for it but to give the entry back that it came with.
nitpick_ignore = [("py:class", "aiconfig_plugin.domain.model.KeyIdentity")]
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

# Commands are copied; what they print is not.
copybutton_selector = "div:not(.highlight-text) > div.highlight > pre"

html_theme = "furo"
html_title = "aiconfig_plugin"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

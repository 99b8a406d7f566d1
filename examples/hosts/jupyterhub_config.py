"""JupyterHub with the plugin as a service: jupyterhub -f examples/hosts/jupyterhub_config.py.

Users find their settings at /services/aiconfig/. The service reads AICONFIG_… from the hub's own
environment here; name a keyring and a database there.
"""

import os
import sys

c = get_config()  # noqa: F821  # JupyterHub defines it.
c.JupyterHub.services = [
    {
        "name": "aiconfig",
        "url": "http://127.0.0.1:10101",
        "command": [sys.executable, "-m", "aiconfig_plugin.hosts.jupyterhub"],
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith("AICONFIG_")
        },
        "oauth_client_allowed_scopes": ["custom:aiconfig:read", "custom:aiconfig:write"],
        "oauth_no_confirm": True,
    }
]
c.JupyterHub.custom_scopes = {
    "custom:aiconfig:read": {"description": "Read one's own AI model configuration"},
    "custom:aiconfig:write": {
        "description": "Change one's own AI model configuration",
        "subscopes": ["custom:aiconfig:read"],
    },
}
c.JupyterHub.load_roles = [
    {
        "name": "user",
        "scopes": ["self", "access:services!service=aiconfig", "custom:aiconfig:write"],
    }
]

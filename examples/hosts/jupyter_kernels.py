"""Kernels of Jupyter Server that find their user's API keys in the environment, as %ai expects.

    c.ServerApp.kernel_manager_class = "jupyter_kernels.KeyedKernelManager"

A key goes from the database into the memory of the server and of the kernel, and into no file.
Code in the notebook can read it there; a key that is changed later reaches the next kernel.
"""

import os

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from aiconfig_plugin import AIConfigError

VARIABLES = {"OpenAI": "OPENAI_API_KEY", "Anthropic": "ANTHROPIC_API_KEY"}


class KeyedKernelManager(AsyncMappingKernelManager):
    async def _async_start_kernel(self, *, env=None, **kwargs):
        keys = await self._keys()
        return await super()._async_start_kernel(env={**(env or os.environ), **keys}, **kwargs)

    start_kernel = _async_start_kernel  # as its base class has it

    async def _keys(self):
        aiconfig = self.parent.web_app.settings["aiconfig"]
        subject = aiconfig.subject or os.environ["JUPYTERHUB_USER"]
        keys = {}
        for provider, variable in VARIABLES.items():
            try:
                chosen = await aiconfig.plugin.resolve(
                    subject, issuer=aiconfig.issuer, provider=provider
                )
            except AIConfigError:
                continue  # nothing is configured for this provider, or it cannot be read now
            if chosen.key_form == "plain":
                keys[variable] = chosen.api_key.get_secret_value()
        return keys

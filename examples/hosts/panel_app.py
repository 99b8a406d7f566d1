"""A Panel application that names its user's own chat model."""

import panel as pn
from panel_plugin import HOST

from aiconfig_plugin import AIConfigError


async def model():
    try:
        chosen = await HOST.plugin.resolve(pn.state.user, issuer=HOST.issuer, type="chat")
    except AIConfigError as err:
        return f"{err.title}: see /ai-config"
    return f"You chat with {chosen.model}."


pn.panel(model).servable()

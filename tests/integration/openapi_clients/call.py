"""Calls a gateway through the generated Python client: call.py URL TOKEN."""

import json
import sys

from ai_model_configuration_client import AuthenticatedClient
from ai_model_configuration_client.api.default import create_ai_model_config, get_ai_model_config
from ai_model_configuration_client.models import AIModelConfiguration, ModelEntry

url, token = sys.argv[1:]
entry = ModelEntry(provider="Ollama", type_="chat", model="llama3", is_paid=False)
with AuthenticatedClient(base_url=url, token=token) as client:
    sent = AIModelConfiguration(models=[entry], system_prompt="Be brief.")
    created = create_ai_model_config.sync_detailed(client=client, body=sent)
    again = create_ai_model_config.sync(client=client, body=sent)
    found = get_ai_model_config.sync(client=client)
print(json.dumps([created.status_code, again.type_, found.models[0].model, found.system_prompt]))

"""Jupyter Server with the plugin: jupyter server --config examples/hosts/jupyter_server_config.py.

Enable the extension for all servers of an environment instead of here with

    jupyter server extension enable aiconfig_plugin

The settings page is at /ai-config. What is not said here comes from AICONFIG_… in the environment.
"""

c = get_config()  # noqa: F821  # Jupyter defines it.
c.ServerApp.jpserver_extensions = {"aiconfig_plugin": True, "jupyter_answer": True}
c.AIConfig.mongodb_database = "jupyter"
# Who owns the configuration of this server; without it the user of the operating system.
# c.AIConfig.subject = "alice"

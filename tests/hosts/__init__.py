"""The adapters of ``aiconfig_plugin.hosts`` in the real hosts."""

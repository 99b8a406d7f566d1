"""What the plugin costs; ``README.md`` says how to run it, and how to read the results."""

"""The JSON Schema files of the package (JSON Schema 2020-12)."""

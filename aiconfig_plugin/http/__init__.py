"""The routes: requests in, representations and problem documents out. Knows Tornado and jsonschema."""

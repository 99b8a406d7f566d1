"""Configurations in MongoDB. Knows Motor and PyMongo."""

"""Adapters for hosts with a log-in of their own; each file is the only one that knows its host.

A host's package is imported when the adapter is used, so none of them is a dependency.
"""

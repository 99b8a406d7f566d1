"""Faults of the parts around a gateway, and of the gateway's own process."""

"""Whole journeys: a real store, a real authorization server, a real gateway, over real sockets."""

"""Conversions: their states, routes, events and results."""

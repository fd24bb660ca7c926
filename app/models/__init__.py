"""Uploaded models: immutable sets of files."""

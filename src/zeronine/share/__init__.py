"""Passing a model on to people who have no Python."""

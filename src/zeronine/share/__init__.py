"""Readers to pass on: a page that any browser opens, and an executable of the drawing window."""

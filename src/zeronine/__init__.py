"""Zeronine reads handwritten numbers."""

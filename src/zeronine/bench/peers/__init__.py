"""The programs that a benchmark runs, each by an interpreter of its own, and each prints one line of JSON.

Those of the peers know nothing of Zeronine: they import what their users import.
"""

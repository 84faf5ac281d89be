"""``python -m zeronine``, as ``torchrun`` starts it."""

from zeronine.cli import main

main()

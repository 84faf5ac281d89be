"""The window to draw in. Knows pygame, a Reader and the store of corrections; the command line is in ``cli_draw``.

``sheet`` holds what is drawn, ``reading`` has it read, ``desk`` holds all else that the window shows, and none of the
three knows pygame: ``layout``, ``paint`` and ``window`` put it on the screen, ``selftest`` draws with nobody there.

Raises:
    MissingExtra: on import, where pygame-ce is not installed.
"""

import importlib.util

from zeronine.errors import MissingExtra

if importlib.util.find_spec("pygame") is None:
    raise MissingExtra("draw", "pygame-ce")

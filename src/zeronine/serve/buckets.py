"""How often one client may do something. Knows addresses and time; keeps no more clients than it is told to."""

import ipaddress
import time
from collections import OrderedDict


class Buckets:
    """A bucket of tokens per client, that fills up again with time.

    Args:
        size: tokens of a full bucket.
        refill: seconds for one token.
        clients: that are remembered; those not heard of for longest are forgotten first.
    """

    def __init__(self, size: int, refill: float, clients: int) -> None:
        self._size = size
        self._refill = refill
        self._clients = clients
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Take one token; 0, or the seconds until there is one."""
        now = time.monotonic()
        key = _network(client)
        left, since = self._left.pop(key, (float(self._size), now))
        left = min(self._size, left + (now - since) / self._refill)
        enough = left >= 1
        self._left[key] = (left - 1 if enough else left, now)
        if len(self._left) > self._clients:
            self._left.popitem(last=False)
        return 0.0 if enough else (1 - left) * self._refill


def _network(client: str) -> str:
    """The address, or of IPv6 the network of it: who has one has 2^64 addresses."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    return str(ipaddress.ip_network((client, 64), strict=False)) if address.version == 6 else client

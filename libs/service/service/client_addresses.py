"""Finds out from which client a request comes, as far as the address can be believed."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Header = tuple[bytes, bytes]

_FORWARDED_FOR = b"x-forwarded-for"


class ClientAddresses:
    """Names the client of a connection or a request: its IPv4 address, or the first 64 bits of its IPv6 address.

    Whoever has one IPv6 address has all that begin with the same 64 bits, so these count as one client.

    `trusted_proxies` are the networks of proxies in front of this service. An empty tuple means that clients connect
    directly. None means that the proxies are not known; then no address is known to be a client's.
    """

    def __init__(self, trusted_proxies: tuple[Network, ...] | None = None) -> None:
        self._trusted_proxies = trusted_proxies
        self._parse = lru_cache(maxsize=1024)(_parse_address)

    def find_client(self, peer: str, headers: Iterable[Header] = ()) -> str | None:
        """Return the client behind the connection from the IP address `peer`; None when it is not known.

        Where `peer` is a trusted proxy, the client is the last address in the request's `X-Forwarded-For` that is no
        trusted proxy, because only what trusted proxies have added can be believed. `peer` is empty for a Unix socket.
        """
        if self._trusted_proxies is None:
            return None
        address = self._parse(peer)
        if address is None or not self._is_proxy(address):
            return _name_client(address)
        values = [value.decode("latin-1") for name, value in headers if name == _FORWARDED_FOR]
        for text in reversed(",".join(values).split(",")):
            address = self._parse(text.strip())
            if address is None or not self._is_proxy(address):
                return _name_client(address)
        return None

    def _is_proxy(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted_proxies or ())


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an IP address; one of IPv4 that is written as one of IPv6 (`::ffff:192.0.2.1`) becomes one of IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _name_client(address: IPv4Address | IPv6Address | None) -> str | None:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address.packed[:8] + bytes(8), 64)))
    return str(address) if address else None

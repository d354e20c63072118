"""Decides which hosts may be called whose names somebody else has chosen: those of the Internet, and no others.

A merchant chooses where a webhook is sent or from where data is read. Without this check a request would reach what
only the installation can reach: its own services, or the metadata service of a cloud.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[IpAddress]]]
"""Returns the addresses of a host name. Raises `OSError` for a name that has none."""

RESOLVERS = 100
"""How many names are looked up at once, at most."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""The prefix of IPv4 addresses in an IPv6-only network (RFC 6052)."""
_TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
"""6to4 and Teredo: IPv6 addresses in which any IPv4 address may be."""
_ALLOWED_HOST = re.compile(
    r"(?:https?://)?(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<address>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{1,5}))?/?"
)
_MAX_PORT = 65_535


class MalformedAddressError(ValueError):
    """Raised for a text that is not the address of a platform's server. Its text says what to write."""


class AddressRefusedError(Exception):
    """Raised for a host that may not be called. Its text says why."""


class AllowedHost(NamedTuple):
    """A host that may be called wherever it is, also without encryption: at `port`, or at every port if it is None."""

    name: str
    port: int | None = None


class AddressRules:
    """Which hosts may be called: those at public addresses, by https, and what the operator has named.

    That is what is at an address of `private_networks`, and the `allowed_hosts`, whatever their addresses are.
    """

    def __init__(self, private_networks: Iterable[IpNetwork] = (), allowed_hosts: Iterable[AllowedHost] = ()) -> None:
        self._private_networks = tuple(private_networks)
        self._allowed_hosts = frozenset(allowed_hosts)

    def check(self, host: str, port: int, addresses: Iterable[IpAddress], *, is_encrypted: bool) -> None:
        """Raise `AddressRefusedError` unless the port of a host may be called at all of its `addresses`."""
        if self._is_allowed_host(host, port):
            return
        for address in addresses:
            if any(address in network for network in self._private_networks):
                continue
            if not is_public(address):
                # Without the address: names that only this installation knows would be read by trying them.
                raise AddressRefusedError(f"{host} has no public address")
            if not is_encrypted:
                raise AddressRefusedError(f"{host} must be called with https")

    def _is_allowed_host(self, host: str, port: int) -> bool:
        name = normalise_host(host)
        return not self._allowed_hosts.isdisjoint((AllowedHost(name), AllowedHost(name, port)))


def normalise_host(host: str) -> str:
    """Return the one spelling of a host by which two of them are compared: lower case, without a dot at the end."""
    return host.lower().removesuffix(".")


def parse_allowed_host(text: str) -> AllowedHost:
    """Parse `host` or `host:port`, which may be written as a URL; the host is a name or an address.

    An address of IPv6 is in brackets. A name in another alphabet is written as in DNS, `xn--…`. Raises ValueError for
    anything else.
    """
    parts = _ALLOWED_HOST.fullmatch(text)
    port = int(parts["port"]) if parts and parts["port"] else None
    if parts is None or port == 0 or (port or 0) > _MAX_PORT:
        raise ValueError(f"{text!r} must be a host or host:port, such as db.internal or 127.0.0.1:8080")
    return AllowedHost(normalise_host(parts["name"] or parts["address"]), port)


def is_public(address: IpAddress) -> bool:
    """Return whether an address is one of the Internet, whatever way it is written in."""
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped
        if embedded is None and address in _TRANSLATED:
            embedded = IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
        if address not in _GLOBAL_UNICAST or any(address in tunnel for tunnel in _TUNNELS):
            return False
    return address.is_global and not address.is_multicast


class Resolver:
    """Looks up host names in threads of its own: a name whose servers do not answer blocks a thread for seconds.

    Whoever asks for a name that is being looked up waits for the same answer.
    """

    def __init__(self, threads: int = RESOLVERS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolver")
        self._open: dict[tuple[str, int], asyncio.Future[Sequence[IpAddress]]] = {}

    async def resolve(self, host: str, port: int) -> Sequence[IpAddress]:
        """Return the addresses of a host name, or of an address in any notation that the system knows.

        Raises `OSError` for a name that has none.
        """
        asked = (host, port)
        if asked not in self._open:
            found = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
            self._open[asked] = found
            found.add_done_callback(partial(self._forget, asked))
        # A caller that gives up must not take the answer from the others.
        return await asyncio.shield(self._open[asked])

    def _forget(self, asked: tuple[str, int], found: "asyncio.Future[Sequence[IpAddress]]") -> None:
        del self._open[asked]
        if not found.cancelled():
            found.exception()  # All who have asked may have given up.

    def close(self) -> None:
        """Take no more names. The process ends when those that are being looked up have an answer or none."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> Sequence[IpAddress]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(address[0]).partition("%")[0]) for *_, address in found]

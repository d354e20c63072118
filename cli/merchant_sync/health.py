"""Check whether a part on a loopback port answers."""

import http.client
import socket
import time
from collections.abc import Callable

HOST = "127.0.0.1"
# ApiVersions v0 with correlation id 1 and no client id: the one request that every broker answers to everyone.
_API_VERSIONS = b"\x00\x00\x00\x0a" + b"\x00\x12" + b"\x00\x00" + b"\x00\x00\x00\x01" + b"\xff\xff"


def is_listening(port: int) -> bool:
    """Return whether something listens on the loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def is_broker_ready(port: int) -> bool:
    """Return whether a Kafka broker answers a request, and not only accepts a connection."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(_API_VERSIONS)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def is_http_ok(port: int, path: str) -> bool:
    """Return whether GET `path` is answered with 2xx within two seconds."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until_healthy(
    is_healthy: Callable[[], bool], *, timeout: float, is_alive: Callable[[], bool] = lambda: True
) -> bool:
    """Wait until `is_healthy()` is true and return True.

    Return False after `timeout` seconds, or earlier when `is_alive()` is false.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and is_alive():
        if is_healthy():
            return True
        time.sleep(0.05)
    return False

"""Questions to a part that has just been started: does it answer?"""

import http.client
import socket
import time
from collections.abc import Callable

HOST = "127.0.0.1"
# ApiVersions v0 with correlation id 1 and no client id: the one request that every broker answers to everyone.
_API_VERSIONS = b"\x00\x00\x00\x0a" + b"\x00\x12" + b"\x00\x00" + b"\x00\x00\x00\x01" + b"\xff\xff"


def tcp(port: int) -> bool:
    """Whether something listens on the loopback port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def broker(port: int) -> bool:
    """Whether a Kafka broker answers a request, not only a connection."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(_API_VERSIONS)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def http_ok(port: int, path: str) -> bool:
    """Whether GET `path` is answered with 2xx within two seconds."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait(healthy: Callable[[], bool], *, timeout: float, alive: Callable[[], bool] = lambda: True) -> bool:
    """Ask until `healthy`; False when the time is over or it is no longer `alive`."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and alive():
        if healthy():
            return True
        time.sleep(0.05)
    return False

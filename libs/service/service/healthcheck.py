"""The health check of containers, `python -m service.healthcheck [port]`: checks whether the local service is ready.

The default of `port` is the environment variable PORT, or else 8080. Without `port`, the service is called by TLS where
the environment variable INTERNAL_TLS_CERT_FILE is set. Exits with 0 when the service is ready, otherwise with 1 and the
reason on standard error.
"""

import os
import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

TIMEOUT_SECONDS = 4.0


def check_ready(port: int, *, by_tls: bool = False) -> str | None:
    """Return None when `/ready` responds with 200; otherwise the reason: the response's body or the error."""
    connection = _create_tls_connection(port) if by_tls else HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/ready")
        response = connection.getresponse()
        body = response.read(2000).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return f"nothing answers on port {port}: {error}"
    finally:
        connection.close()
    return None if response.status == 200 else body


def _create_tls_connection(port: int) -> HTTPSConnection:
    # The certificate is for the name by which other services call this one, and nothing secret is sent.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS, context=context)


def main() -> None:
    """Check once whether the local service is ready. If it is not, exit with 1 and the reason on standard error."""
    given, own_port = sys.argv[1:], os.environ.get("PORT", "8080")
    by_tls = not given and bool(os.environ.get("INTERNAL_TLS_CERT_FILE"))
    port = (given or [own_port])[0]
    if not port.isdecimal():
        sys.exit("PORT: must be a number")
    if error := check_ready(int(port), by_tls=by_tls):
        sys.exit(error)


if __name__ == "__main__":
    main()

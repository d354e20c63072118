"""The health check of containers, `python -m service.healthcheck [port]`: checks whether the local service is ready.

The default of `port` is the environment variable PORT, or else 8080. Exits with 0 when the service is ready, otherwise
with 1 and the reason on standard error.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 4.0


def check_ready(port: int) -> str | None:
    """Return None when `/ready` responds with 200; otherwise the reason: the response's body or the error."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/ready")
        response = connection.getresponse()
        body = response.read(2000).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return f"nothing answers on port {port}: {error}"
    finally:
        connection.close()
    return None if response.status == 200 else body


def main() -> None:
    """Check once whether the local service is ready. If it is not, exit with 1 and the reason on standard error."""
    port = (sys.argv[1:] or [os.environ.get("PORT", "8080")])[0]
    if not port.isdecimal():
        sys.exit("PORT: must be a number")
    if error := check_ready(int(port)):
        sys.exit(error)


if __name__ == "__main__":
    main()

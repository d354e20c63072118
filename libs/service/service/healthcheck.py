"""The health check of containers, `python -m service.healthcheck [port]`: whether the local service is ready.

Without a port it uses the setting PORT. Exits with 0 when the service is ready, else with 1 and the reason.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 4.0


def check_ready(port: int) -> str | None:
    """Return None when `/ready` answers 200, else its body, or that nothing answers on the port."""
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
    """Check once and exit with 1 and the reason when the service is not ready."""
    if error := check_ready(int((sys.argv[1:] or [os.environ.get("PORT", "8080")])[0])):
        sys.exit(error)


if __name__ == "__main__":
    main()

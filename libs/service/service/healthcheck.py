"""Whether a service of this machine is ready: `python -m service.healthcheck [port]`, for containers' health checks.

Without a port it asks on that of the setting PORT. Exit code 0 when it is; else 1, and what it says is wrong.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

PATIENCE_SECONDS = 4.0


def check_ready(port: int) -> str | None:
    """What `/ready` says is wrong, or that nobody answers; None when all is well."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        said = answer.read(2000).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return f"nobody answers on port {port}: {error}"
    finally:
        connection.close()
    return None if answer.status == 200 else said


def main() -> None:
    """Ask once."""
    if found := check_ready(int((sys.argv[1:] or [os.environ.get("PORT", "8080")])[0])):
        sys.exit(found)


if __name__ == "__main__":
    main()

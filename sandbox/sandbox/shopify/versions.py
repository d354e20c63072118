"""The versions of the Admin API that the sandbox serves. Webhooks are sent in the latest one."""

from sandbox.shopify.faults import Faults

LATEST_VERSION = "2026-10"
VERSIONS = ("2026-01", "2026-04", "2026-07", LATEST_VERSION, "unstable")


def choose_version(requested: str, faults: Faults) -> str:
    """Return the API version that answers a request for the version `requested`.

    As at Shopify, the oldest accessible version answers a request for a version that is not accessible. If the fault
    `version` is set, that version answers every request.
    """
    return faults.version or (requested if requested in VERSIONS else VERSIONS[0])

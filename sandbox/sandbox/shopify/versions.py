"""The versions of the Admin API that the sandbox serves. Webhooks are sent in the latest one."""

from sandbox.shopify.faults import Faults

LATEST_VERSION = "2026-10"
VERSIONS = ("2026-01", "2026-04", "2026-07", LATEST_VERSION, "unstable")


def choose_version(requested: str, faults: Faults) -> str:
    """The version in which a request for the version `requested` is answered.

    As at Shopify, a version that is not accessible falls forward to the oldest accessible one.
    """
    return faults.version or (requested if requested in VERSIONS else VERSIONS[0])

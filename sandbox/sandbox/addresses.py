"""The local hosts that may receive webhooks over plain http. Without them, the sandbox would need TLS certificates."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_local(host: str | None) -> bool:
    """Return whether `host` is this machine or a name without a dot, such as a container's. Public hosts give False."""
    return host is not None and (host in _LOOPBACK or (host != "" and not {".", ":"} & set(host)))

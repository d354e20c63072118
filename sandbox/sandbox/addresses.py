"""Which addresses may be told by plain http, so that the sandbox can be tried where there are no certificates."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_near(host: str | None) -> bool:
    """Whether `host` is this machine, or a name without a dot: one of a network of containers, never a public one."""
    return host is not None and (host in _LOOPBACK or (host != "" and not {".", ":"} & set(host)))

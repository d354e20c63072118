"""The addresses to which webhooks may be sent by plain http, so that the sandbox works without certificates."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_local(host: str | None) -> bool:
    """Whether `host` is this machine or a name without a dot, as containers have, but never a public host."""
    return host is not None and (host in _LOOPBACK or (host != "" and not {".", ":"} & set(host)))

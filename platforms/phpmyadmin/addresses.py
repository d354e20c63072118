"""Parses the address of a phpMyAdmin as people copy it from their browser."""

from urllib.parse import urlsplit

from platform_sdk.public_addresses import MalformedAddressError

MAX_CHARACTERS = 500


def parse_address(text: str) -> str:
    """Return the address without what belongs to a page: `/index.php`, a query. Its host is in lower case.

    An address without a scheme gets https. Raises MalformedAddressError.
    """
    written = text.strip()
    try:
        parts = urlsplit(written if "://" in written else f"https://{written}")
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("https", "http") or not host or " " in host or len(written) > MAX_CHARACTERS:
        raise MalformedAddressError("write the address at which you sign in, e.g. https://db.example.com/phpmyadmin")
    if parts.username is not None or parts.password is not None:
        raise MalformedAddressError("the address must have no user and no password: write these into their own fields")
    folders = [folder for folder in parts.path.split("/") if folder]
    if folders and folders[-1].endswith(".php"):
        folders.pop()
    netloc = f"[{host}]" if ":" in host else host
    return "/".join((f"{parts.scheme}://{netloc}" + (f":{port}" if port else ""), *folders))

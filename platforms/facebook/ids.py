"""Facebook's ids: a Page is identified by digits."""

import re

_PAGE_ID = re.compile(r"[0-9]{1,32}")


def is_page_id(account: str) -> bool:
    """Return whether `account` is the id of a Page. Nothing else is ever put into an address."""
    return _PAGE_ID.fullmatch(account) is not None

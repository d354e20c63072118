"""The ids of Facebook Pages, which consist of digits."""

import re

PAGE_ID = r"[0-9]{1,32}"
"""A regular expression of the ids of Pages."""
_PAGE_ID = re.compile(PAGE_ID)


def is_page_id(account: str) -> bool:
    """Return whether `account` has the form of a Page's id. It must be checked before it becomes part of a URL."""
    return _PAGE_ID.fullmatch(account) is not None

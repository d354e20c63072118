"""The deletion guard stops deletions when a full read misses suspiciously many records.

Records that a full read did not list are deletion candidates. Many candidates at once are more likely caused by a fault
than by a merchant who deletes records. Without the guard's objection each candidate is read directly by its id, and is
deleted if that read does not find it.
"""

GUARD_SHARE = 0.20
GUARD_COUNT = 50


def apply_deletion_guard(candidates: int, stored: int, *, was_guarded: bool) -> str | None:
    """Return why no deletion candidate of this full read may be deleted, or None if they may be read directly.

    `candidates` is the number of deletion candidates: stored records that the full read did not list. `stored` is the
    number of stored records of the resources that were read. The guard stops a full read with more than 50 candidates
    that are more than 20 % of the stored records. `was_guarded` says that the guard stopped the previous full read: the
    guard never stops two in succession.
    """
    if was_guarded:
        return None
    if candidates > GUARD_COUNT and candidates > GUARD_SHARE * stored:
        return f"{candidates} of {stored} records were not listed by this full read; none is deleted"
    return None

"""The deletion guard: many records missing from one full read are more likely a fault than a clean-up.

Records that a full read did not list are deletion candidates. A candidate is deleted only after a direct read by its id
did not find it.
"""

GUARD_SHARE = 0.20
GUARD_COUNT = 50


def apply_deletion_guard(candidates: int, stored: int, *, was_guarded: bool) -> str | None:
    """Return why no candidate may be verified now, or None.

    `candidates` is the number of deletion candidates, `stored` how many records the resources that were read have. More
    than 20 % and more than 50 candidates are held back until the next full read. `was_guarded` says that the previous
    full read was held back: one that finds as many candidates again is trusted.
    """
    if was_guarded:
        return None
    if candidates > GUARD_COUNT and candidates > GUARD_SHARE * stored:
        return f"{candidates} of {stored} records were not listed by this full read; none is deleted"
    return None

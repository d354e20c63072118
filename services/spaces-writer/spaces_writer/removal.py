"""The removal brake: a walk nominates what it did not list; many at once are more likely a fault than a clean-up."""

BRAKE_SHARE = 0.20
BRAKE_COUNT = 50


def braked(nominated: int, known: int, *, braked_before: bool) -> str | None:
    """Why nothing is removed now, or None. `known` is how many living records the walked resources have.

    More than 20 % and more than 50 nominated at once hold until the next walk; one that nominates as many again is
    believed. What is removed even then is what a direct read does not find.
    """
    if braked_before:
        return None
    if nominated > BRAKE_COUNT and nominated > BRAKE_SHARE * known:
        return f"{nominated} of {known} records were not listed by this walk; none is removed"
    return None

"""The removal brake: a walk nominates what it did not list; many at once are more likely a fault than a clean-up."""

BRAKE_SHARE = 0.20
BRAKE_COUNT = 50


def braked(nominated: int, known: int) -> str | None:
    """Why nothing is removed now, or None. `known` is how many living records the walked resources have.

    More than 20 % and more than 50 nominated at once hold until the next walk or an operator's word.
    """
    if nominated > BRAKE_COUNT and nominated > BRAKE_SHARE * known:
        return f"{nominated} of {known} records were not listed by this walk; none is removed"
    return None

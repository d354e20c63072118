"""What a process has learned of each shop: its bucket, and how much may be asked for at once. Lost at no harm."""

from collections.abc import Callable
from dataclasses import dataclass, field

from shopify_fetcher.budget import Budget
from shopify_fetcher.documents import Document, Variables, sizes

LINEAR_COST = 500
"""Where ids are charged, a document asks for half of the most that is allowed: walks must leave half of the bucket."""
MOST_IDS = 250
"""More ids than this no `nodes(ids:)` takes."""


@dataclass
class ShopMemory:
    """One shop. `linear`: `nodes(ids:)` is charged by the id; then nested pages are compact and ids fewer."""

    budget: Budget
    linear: bool = False
    most: dict[str, int] = field(default_factory=dict)
    """By document: the most ids at once, where less than all was learned to be right."""
    version_told: bool = False

    def sizes(self, document: Document) -> dict[str, int]:
        """The sizes of nested pages for this shop."""
        return sizes(document, compact=self.linear)

    def ids_at_once(self, document: Document, variables: Variables) -> int:
        """How many ids to ask for at once."""
        most = self.most.get(document.name, MOST_IDS)
        if not self.linear:
            return most
        each = max(1, document.cost(variables) - 1)
        return max(1, min(most, (LINEAR_COST - 1) // each))

    def expected(self, document: Document, variables: Variables) -> int:
        """The points that the document will ask for."""
        cost = document.cost(variables)
        ids = len(variables.get("ids", ()))
        return 1 + ids * (cost - 1) if self.linear and ids else cost

    def learn_price(self, document: Document, variables: Variables, requested: float) -> None:
        """An answer says what was asked for: far more than by the flat price means that ids are charged."""
        if len(variables.get("ids", ())) > 1 and requested > document.cost(variables) * 1.5:
            self.linear = True

    def ask_less(self, document: Document, ids: int) -> None:
        """So many ids were too much."""
        self.most[document.name] = max(1, min(ids, self.most.get(document.name, MOST_IDS)) // 2)


class Memories:
    """The memory of every shop that this process has met."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._shops: dict[str, ShopMemory] = {}

    def of(self, shop: str) -> ShopMemory:
        """The memory of `shop`, new where there is none."""
        if shop not in self._shops:
            self._shops[shop] = ShopMemory(Budget(self._now()))
        return self._shops[shop]

    def left(self) -> float:
        """What is left of the emptiest bucket, from 0 to 1."""
        now = self._now()
        return min((memory.budget.left(now) for memory in self._shops.values()), default=1.0)

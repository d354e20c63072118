"""Links as the linker shows them, and as the pages do. What both sides have is there by the names of the sides."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, model_validator

from gateway.pages.responses import ResponseModel
from gateway.pages.views import Timestamp
from linking.records import DATABASE_SIDE, SHOP_SIDE, Side

Ids = Annotated[dict[str, str | None], Field(description="The ids of the records by side; null where there is none")]


class LinkSideView(ResponseModel):
    """How far one side of a link was read."""

    state: str = Field(description="waiting (for the first full sync), reading, or followed")
    sequence: int = Field(description="The number of the last change that was read")
    currency: str | None


class LinkView(ResponseModel):
    """A link with its state, its settings, and its numbers."""

    id: UUID
    shop: str
    database: str
    merchant: UUID
    state: str = Field(description="reading, draft, active, paused or ended")
    reason: str | None = Field(description="Why it is in this state")
    created_at: Timestamp
    missing_scopes: list[str] = Field(description="What the shop must grant before a draft can be approved")
    grant_query: str = Field(description="The query of the shop's sign-in that asks for these scopes")
    settings: dict[str, Any]
    sides: dict[str, LinkSideView]
    plan_number: int
    pairs: dict[str, int] = Field(description="The numbers of pairs of products by their state")
    problems: dict[str, int] = Field(description="The numbers of records that could not be matched, by reason")
    planned_fields: int
    conflicts: int
    unbooked_units: int = Field(description="Units that were sold and that the side that counts does not know of")

    @property
    def connections(self) -> dict[Side, str]:
        """The connections of both sides."""
        return {SHOP_SIDE: self.shop, DATABASE_SIDE: self.database}


class LinksView(ResponseModel):
    """The links of one merchant."""

    links: list[LinkView]


def _gather_sides(raw: Any, **names: str) -> Any:
    """Return the members of `raw` with those of both sides gathered in one member.

    `names` are the ends of the members' names, by the name of the new member: with `ids="_id"` the member `ids` gets
    the ids of both sides.
    """
    if not isinstance(raw, dict):
        return raw
    gathered = {name: {str(side): raw.get(f"{side}{end}") for side in Side} for name, end in names.items()}
    return {**raw, **gathered}


class LinkLineView(ResponseModel):
    """A line of a plan: what would be written to one field, or why nothing is."""

    resource: str
    ids: Ids
    name: str | None
    field: str
    action: str = Field(description="write, conflict, create, blocked, draft, archive or delete")
    reason: str
    target: str | None = Field(description="The side that is written; null where nobody has decided which")
    values: dict[str, Any] = Field(description="The present values by side")
    before: Any
    after: Any

    @model_validator(mode="before")
    @classmethod
    def gather_sides(cls, raw: Any) -> Any:
        """Gather what the linker shows of each side."""
        return _gather_sides(raw, ids="_id", values="")


class LineCountView(ResponseModel):
    """The number of lines of a plan that are alike."""

    resource: str
    field: str
    action: str
    reason: str
    target: str | None
    lines: int


class UnlinkedRecordView(ResponseModel):
    """A record without a counterpart, or a pair of which a record is gone or was refused."""

    resource: str
    state: str
    reason: str | None
    ids: Ids
    name: str | None

    @model_validator(mode="before")
    @classmethod
    def gather_sides(cls, raw: Any) -> Any:
        """Gather what the linker shows of each side."""
        return _gather_sides(raw, ids="_id")


class UnlinkedCountView(ResponseModel):
    """The number of such records by resource and reason."""

    resource: str
    reason: str | None
    count: int


class MatchProblemView(ResponseModel):
    """Records that could not be matched. `key` is the SKU or the barcode, where it is about one."""

    reason: str
    key: str | None
    products: dict[str, list[str]] = Field(description="The ids of the products by side")

    @model_validator(mode="before")
    @classmethod
    def gather_sides(cls, raw: Any) -> Any:
        """Gather what the linker shows of each side."""
        return _gather_sides(raw, products="_products")


class LinkPlanView(ResponseModel):
    """What a link would write: all numbers, and the first entries of each list."""

    number: int
    made_at: Timestamp
    counts: list[LineCountView]
    lines: list[LinkLineView]
    unlinked_counts: list[UnlinkedCountView]
    unlinked: list[UnlinkedRecordView]
    problem_counts: dict[str, int]
    problems: list[MatchProblemView]


class FailedWriteView(ResponseModel):
    """A write that a platform has refused, or that has failed."""

    side: str
    operation: str
    resource: str
    name: str | None
    ids: Ids
    state: str
    reason_code: str | None
    message: str | None
    ended_at: Timestamp

    @model_validator(mode="before")
    @classmethod
    def gather_sides(cls, raw: Any) -> Any:
        """Gather what the linker shows of each side."""
        return _gather_sides(raw, ids="_id")


class WriteCountView(ResponseModel):
    """The number of writes of the last seven days to one side with one outcome."""

    side: str
    state: str
    number: int


class LinkFailuresView(ResponseModel):
    """The writes of a link that were refused or have failed, and the numbers of all writes."""

    failures: list[FailedWriteView]
    outcomes: list[WriteCountView]


class LinkSyncView(ResponseModel):
    """A sync of a link: what it was to do, and what came of it."""

    id: UUID
    mode: str
    state: str = Field(description="draft (waits for an approval), queued, running, success, failed or cancelled")
    message: str | None = Field(description="What it waits for, or why it has failed")
    requested_at: Timestamp
    finished_at: Timestamp
    figures: dict[str, int] = Field(description="What was written while it ran; empty before it has begun")


class LinkSyncsView(ResponseModel):
    """The latest syncs of a link, newest first."""

    syncs: list[LinkSyncView]


class SignInView(ResponseModel):
    """An account at which to sign in, and where."""

    connection: str
    url: str


class LinkDocument(ResponseModel):
    """A link with what it would write, what waits for a person, and what was refused."""

    link: LinkView
    plan: LinkPlanView
    conflicts: list[LinkLineView]
    failures: LinkFailuresView
    syncs: list[LinkSyncView] = Field(description="The latest ones, newest first")
    can_act: bool = Field(description="The sign-ins at both accounts are fresh enough to change the link")
    sign_ins: list[SignInView] = Field(description="Where to sign in again before the link can be changed")
    grant_url: str = Field(description="Where the shop grants what is missing; empty where nothing is")


class LinkOfConnection(ResponseModel):
    """A link of a connection, as the page of that connection shows it."""

    platform: str = Field(description="The platform of the other account")
    connection: str = Field(description="The other account; empty where this browser has not signed in there")
    state: str
    url: str = Field(description="The link's page; empty where this browser has not signed in at both accounts")


class NewLinkOption(ResponseModel):
    """A shop that can be linked, and the page to do it on."""

    shop: str
    url: str


class ConnectionLinks(ResponseModel):
    """The links of a connection, and how to make one."""

    linker_away: bool = Field(description="The linker does not answer now, and the links are missing here")
    links: list[LinkOfConnection]
    options: list[NewLinkOption] = Field(description="The shops for which a link can be made")


class DatabaseOption(ResponseModel):
    """A connection with which a shop can be linked."""

    connection: str
    title: str
    is_fresh: bool = Field(description="The sign-in there is fresh enough to link it")
    prove_url: str


class GroupOption(ResponseModel):
    """A group of fields, for which a link says which side decides."""

    group: str
    fields: list[str]
    authorities: list[str]
    default: str


class NewLinkDocument(ResponseModel):
    """What a new link of a shop can be made of."""

    shop: str
    title: str
    is_fresh: bool = Field(description="The sign-in at the shop is fresh enough to link it")
    prove_url: str
    databases: list[DatabaseOption] = Field(description="Those that are listed beside the shop")
    elsewhere: list[str] = Field(description="Those that are listed elsewhere, and have to be listed beside the shop")
    unproved: int = Field(description="How many more are listed beside the shop: this browser has not signed in there")
    unproved_url: str = Field(description="Where to sign in there")
    groups: list[GroupOption]

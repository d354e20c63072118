"""Reading people and pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Any
from urllib.parse import urlencode

from sandbox.facebook import field_selection as fields
from sandbox.facebook.calls import Body, Call, Caller
from sandbox.facebook.errors import GraphError, no_field
from sandbox.facebook.model import Page, Person
from sandbox.facebook.state import Facebook

PAGE_SIZE, LARGEST = 25, 100
_ACCOUNT = "access_token,category,category_list,name,id,tasks"
_OPEN = frozenset({"id", "name", "access_token", "tasks", "category", "category_list"})
"""What a page answers without pages_read_engagement."""
_TASKS = ["MODERATE", "MESSAGING", "ANALYZE", "ADVERTISE", "CREATE_CONTENT", "MANAGE"]


class Nodes:
    """The handlers of people and pages."""

    def __init__(self, facebook: Facebook) -> None:
        self._facebook = facebook

    async def page(self, call: Call, caller: Caller) -> Body:
        """GET /{page}: its fields."""
        assert caller.page is not None
        asked = fields.parse(call.params.get("fields", "name"))
        return self._read(caller.page, asked, caller)

    async def person(self, call: Call, caller: Caller) -> Body:
        """GET /me: id and name."""
        assert caller.person is not None
        values = {"id": caller.person.id, "name": caller.person.name}
        names = [wanted.name for wanted in fields.parse(call.params.get("fields", "name"))]
        for name in names:
            if name not in values:
                raise no_field(name, "User")
        return {name: values[name] for name in [*names, "id"]}

    async def permissions(self, _: Call, caller: Caller) -> Body:
        """GET /me/permissions: granted and declined."""
        assert caller.person is not None
        found = {"public_profile": "granted"} | caller.person.permissions
        return {"data": [{"permission": name, "status": status} for name, status in found.items()]}

    async def accounts(self, call: Call, caller: Caller) -> Body:
        """GET /me/accounts: the pages given to the app, each with its token, in pages of `limit`.

        What was not given is left out of a page after it was cut, and a full page always has a next one: pages may be
        short or empty, the last one too.
        """
        assert caller.person is not None
        if not caller.person.grants("pages_show_list"):
            return {"data": []}
        limit, asked = self._limit(call), fields.parse(call.params.get("fields", _ACCOUNT))
        own = [page for page in self._facebook.pages.values() if page.owner == caller.person.id]
        start = _position(own, call.params["after"]) + 1 if "after" in call.params else 0
        cut = own[start : start + limit]
        shown = [page for page in cut if page.id in caller.person.ticked and not page.gone]
        body: Body = {"data": [self._read(page, asked, caller) for page in shown]}
        if cut:
            body["paging"] = _paging(call, limit, cut, more=len(cut) == limit)
        return body

    def _limit(self, call: Call) -> int:
        text = call.params.get("limit", str(PAGE_SIZE))
        if not text.isdigit() or text == "0":
            raise GraphError(100, "(#100) Param limit must be a positive number")
        highest = self._facebook.faults.reduce_above
        if highest is not None and int(text) > highest:
            message = "Please reduce the amount of data you're asking for, then retry your request"
            raise GraphError(1, message, status=500)
        return min(int(text), LARGEST)

    def _read(self, page: Page, asked: tuple[fields.Field, ...], caller: Caller) -> Body:
        fields.check(asked, self._facebook.faults.refuse_fields)
        owner = self._facebook.people[page.owner]
        closed = [wanted.name for wanted in asked if wanted.name not in _OPEN]
        if closed and not owner.grants("pages_read_engagement"):
            message = (
                "(#10) This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content "
                "Access' feature."
            )
            raise GraphError(10, message, status=403)
        return fields.read(page, asked, self._own(page, owner, asked, caller))

    def _own(self, page: Page, owner: Person, asked: tuple[fields.Field, ...], caller: Caller) -> dict[str, Any]:
        own: dict[str, Any] = {"tasks": _TASKS}
        if caller.token.kind == "PAGE":
            own["access_token"] = caller.token.text
        elif owner.grants("pages_show_list") and any(wanted.name == "access_token" for wanted in asked):
            own["access_token"] = self._facebook.tokens.for_page(caller.token, page.id).text
        return own


def _position(own: list[Page], cursor: str) -> int:
    try:
        page = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return [one.id for one in own].index(page)
    except (Base64Error, UnicodeDecodeError, ValueError):
        raise GraphError(100, "(#100) Invalid cursor") from None


def _paging(call: Call, limit: int, cut: list[Page], *, more: bool) -> Body:
    before, after = (urlsafe_b64encode(page.id.encode()).decode().rstrip("=") for page in (cut[0], cut[-1]))
    paging: Body = {"cursors": {"before": before, "after": after}}
    if more:
        # As Graph's own, it carries the token and not the proof.
        kept = {name: call.params[name] for name in ("access_token", "fields") if name in call.params}
        query = urlencode({**kept, "limit": limit, "after": after})
        paging["next"] = f"{call.address}/{'/'.join(call.path)}?{query}"
    return paging

"""Handlers of the Graph API that read users and Facebook Pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Any
from urllib.parse import urlencode

from sandbox.facebook import field_selection
from sandbox.facebook.calls import Body, Call, Caller
from sandbox.facebook.errors import GraphError, build_unknown_field_error
from sandbox.facebook.model import Page, Person
from sandbox.facebook.state import FacebookState

DEFAULT_LIMIT, MAX_LIMIT = 25, 100
_ACCOUNT_FIELDS = "access_token,category,category_list,name,id,tasks"
_OPEN_FIELDS = frozenset({"id", "name", "access_token", "tasks", "category", "category_list"})
"""The page fields that can be read without the permission pages_read_engagement."""
_TASKS = ["MODERATE", "MESSAGING", "ANALYZE", "ADVERTISE", "CREATE_CONTENT", "MANAGE"]


class NodeHandlers:
    """Handles the Graph API calls that read users and Facebook Pages. Every handler may raise GraphError."""

    def __init__(self, facebook: FacebookState) -> None:
        self._facebook = facebook

    async def read_page(self, call: Call, caller: Caller) -> Body:
        """Handle GET /{page}: return the selected fields of the page."""
        assert caller.page is not None
        selection = field_selection.parse_fields(call.params.get("fields", "name"))
        return self._read(caller.page, selection, caller)

    async def read_person(self, call: Call, caller: Caller) -> Body:
        """Handle GET /me with a user's token: return the user's id and, if the parameter `fields` selects it, the name.

        Without the parameter, the name is selected.
        """
        assert caller.person is not None
        values = {"id": caller.person.id, "name": caller.person.name}
        names = [field.name for field in field_selection.parse_fields(call.params.get("fields", "name"))]
        for name in names:
            if name not in values:
                raise build_unknown_field_error(name, "User")
        return {name: values[name] for name in [*names, "id"]}

    async def list_permissions(self, _: Call, caller: Caller) -> Body:
        """Handle GET /me/permissions: return the status of every permission that the app requested."""
        assert caller.person is not None
        permissions = {"public_profile": "granted"} | caller.person.permissions
        return {"data": [{"permission": name, "status": status} for name, status in permissions.items()]}

    async def list_accounts(self, call: Call, caller: Caller) -> Body:
        """Handle GET /me/accounts: list the Facebook Pages that the user selected for the app, with their tokens.

        As in Graph, a result page is cut from all Facebook Pages of the user. Those that the app may not see are then
        removed from the result page. Whether a next result page exists is decided before this removal, so every result
        page, including the last one, may be short or empty.
        """
        assert caller.person is not None
        if not caller.person.has_granted("pages_show_list"):
            return {"data": []}
        limit = self._parse_limit(call)
        selection = field_selection.parse_fields(call.params.get("fields", _ACCOUNT_FIELDS))
        own_pages = [page for page in self._facebook.pages.values() if page.owner == caller.person.id]
        start = _find_page_index(own_pages, call.params["after"]) + 1 if "after" in call.params else 0
        result_page = own_pages[start : start + limit]
        visible = [page for page in result_page if page.id in caller.person.ticked and not page.gone]
        body: Body = {"data": [self._read(page, selection, caller) for page in visible]}
        if result_page:
            body["paging"] = _build_paging(call, limit, result_page, has_next=len(result_page) == limit)
        return body

    def _parse_limit(self, call: Call) -> int:
        text = call.params.get("limit", str(DEFAULT_LIMIT))
        if not text.isdigit() or text == "0":
            raise GraphError(100, "(#100) Param limit must be a positive number")
        threshold = self._facebook.faults.reduce_above
        if threshold is not None and int(text) > threshold:
            message = "Please reduce the amount of data you're asking for, then retry your request"
            raise GraphError(1, message, status=500)
        return min(int(text), MAX_LIMIT)

    def _read(self, page: Page, selection: tuple[field_selection.Field, ...], caller: Caller) -> Body:
        field_selection.check_fields(selection, self._facebook.faults.refuse_fields)
        owner = self._facebook.people[page.owner]
        protected = [field.name for field in selection if field.name not in _OPEN_FIELDS]
        if protected and not owner.has_granted("pages_read_engagement"):
            message = (
                "(#10) This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content "
                "Access' feature."
            )
            raise GraphError(10, message, status=403)
        return field_selection.select_fields(page, selection, self._build_extra(page, owner, selection, caller))

    def _build_extra(
        self, page: Page, owner: Person, selection: tuple[field_selection.Field, ...], caller: Caller
    ) -> dict[str, Any]:
        """Build the values that the page itself does not store: `tasks` (what the owner may do) and `access_token`.

        `access_token` is the page token. A caller with a user token gets it only if `selection` contains it and the
        owner has granted the permission pages_show_list.
        """
        extra: dict[str, Any] = {"tasks": _TASKS}
        if caller.token.kind == "PAGE":
            extra["access_token"] = caller.token.text
        elif owner.has_granted("pages_show_list") and any(field.name == "access_token" for field in selection):
            extra["access_token"] = self._facebook.tokens.get_or_issue_page_token(caller.token, page.id).text
        return extra


def _find_page_index(pages: list[Page], cursor: str) -> int:
    """Return the index in `pages` of the Facebook Page whose id is encoded in the cursor.

    Raises GraphError for an invalid cursor.
    """
    try:
        page_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return [page.id for page in pages].index(page_id)
    except (Base64Error, UnicodeDecodeError, ValueError):
        raise GraphError(100, "(#100) Invalid cursor") from None


def _build_paging(call: Call, limit: int, result_page: list[Page], *, has_next: bool) -> Body:
    before, after = (
        urlsafe_b64encode(page.id.encode()).decode().rstrip("=") for page in (result_page[0], result_page[-1])
    )
    paging: Body = {"cursors": {"before": before, "after": after}}
    if has_next:
        # Like Graph's own link, it contains the access token but not its proof.
        params = {name: call.params[name] for name in ("access_token", "fields") if name in call.params}
        query = urlencode({**params, "limit": limit, "after": after})
        paging["next"] = f"{call.address}/{'/'.join(call.path)}?{query}"
    return paging

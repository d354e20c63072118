"""The control API of the simulated Facebook: creates, edits and deletes users and Facebook Pages, and sets faults."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.deliveries import Dispatcher
from sandbox.facebook import callbacks, edits, expected_document
from sandbox.facebook.callbacks import PostSignedRequest
from sandbox.facebook.faults import Faults
from sandbox.facebook.field_selection import build_picture_url
from sandbox.facebook.graph_schema import PERMISSIONS
from sandbox.facebook.model import AppSettings, Limits, Page, Person
from sandbox.facebook.state import FacebookState
from sandbox.facebook.statistics import Statistics
from sandbox.responses import build_json_response

_PERMISSION_STATUSES = frozenset({"granted", "declined", "expired"})
Handler = Callable[[Request, Any], Awaitable[Response]]
"""Handles a request. The second argument is the parsed JSON body; {} without a body."""

ControlRoutes = list[tuple[str, str, Handler]]
"""Method, path and handler of each endpoint."""


def build_routes(facebook: FacebookState, dispatcher: Dispatcher, post: PostSignedRequest) -> list[Route]:
    """Build the routes of the control API, under `/control/facebook`.

    `post` posts signed requests to the app's callbacks.
    """
    people, pages, app = _PeopleControl(facebook, post), _PageControl(facebook), _AppControl(facebook, dispatcher)
    return [
        Route(f"/control/facebook{path}", _build_endpoint(handler), methods=[method])
        for group in (people, pages, app)
        for method, path, handler in group.list_routes()
    ]


def _build_endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            raw = await request.body()
            return await handler(request, orjson.loads(raw) if raw else {})
        except LookupError as error:
            return build_json_response({"error": f"no such record or parameter: {error}"}, 404)
        except (ValueError, TypeError, AttributeError) as error:
            return build_json_response({"error": f"{type(error).__name__}: {error}"}, 400)

    return handle


class _PeopleControl:
    def __init__(self, facebook: FacebookState, post: PostSignedRequest) -> None:
        self._facebook = facebook
        self._post = post

    def list_routes(self) -> ControlRoutes:
        """List the method, path and handler of each endpoint about users."""
        return [
            ("POST", "/users", self.create_person_with_pages),
            ("GET", "/users", self.list_people),
            ("GET", "/users/{id}", self.show_person),
            ("PUT", "/users/{id}/permissions", self.update_permissions),
            ("POST", "/users/{id}/revoke", self.revoke_tokens),
            ("POST", "/users/{id}/remove_app", self.remove_app),
            ("POST", "/users/{id}/delete_data", self.request_data_deletion),
        ]

    async def create_person_with_pages(self, _: Request, body: Any) -> Response:
        """Create a user with generated Facebook Pages.

        In the body, `name` is the user's name, `pages` (default 3) the number of Facebook Pages, and `seed` (default 0)
        decides their contents.
        """
        person = self._facebook.add_person(str(body.get("name", "Sandbox User")))
        self._facebook.ensure_generated_pages(person, int(body.get("pages", 3)), int(body.get("seed", 0)))
        return build_json_response(self._describe_person(person), 201)

    async def list_people(self, _: Request, __: Any) -> Response:
        """List all users, each with the Facebook Pages and the numbers of valid tokens."""
        return build_json_response(
            {"users": [self._describe_person(person) for person in self._facebook.people.values()]}
        )

    async def show_person(self, request: Request, _: Any) -> Response:
        """Show the user whose id is in the path, with the Facebook Pages and the numbers of valid tokens."""
        return build_json_response(self._describe_person(self._find_person(request)))

    async def update_permissions(self, request: Request, body: Any) -> Response:
        """Set permissions of a user without notifying the app.

        The body maps permissions to granted, declined or expired.
        """
        person = self._find_person(request)
        if not (PERMISSIONS.issuperset(body) and _PERMISSION_STATUSES.issuperset(body.values())):
            raise ValueError("no such permission or status")
        person.permissions |= body
        self._facebook.save(people=[person])
        return build_json_response(self._describe_person(person))

    async def revoke_tokens(self, request: Request, body: Any) -> Response:
        """Revoke all tokens of the user and of the user's Facebook Pages. Returns the number of revoked tokens.

        Later calls with these tokens fail with the error subcode that the body gives as `subcode` (default 460).
        """
        subcode = int(body.get("subcode", 460))
        return build_json_response(
            {"revoked": self._facebook.tokens.revoke_tokens(subcode, person=self._find_person(request).id)}
        )

    async def remove_app(self, request: Request, _: Any) -> Response:
        """Remove the app's access to a user, and call the app's deauthorize callback.

        Returns the callback's log entry.
        """
        return build_json_response(
            await callbacks.remove_app_and_notify(self._facebook, self._find_person(request), self._post)
        )

    async def request_data_deletion(self, request: Request, _: Any) -> Response:
        """Ask the app to delete the user's data. Returns the log entry of the data deletion callback."""
        return build_json_response(
            await callbacks.request_data_deletion(self._facebook, self._find_person(request), self._post)
        )

    def _find_person(self, request: Request) -> Person:
        return self._facebook.people[request.path_params["id"]]

    def _describe_person(self, person: Person) -> dict[str, Any]:
        pages = [_build_summary(page) for page in self._facebook.list_undeleted_pages(person)]
        return {**asdict(person), "tokens": self._facebook.tokens.count_valid(person.id), "pages": pages}


class _PageControl:
    def __init__(self, facebook: FacebookState) -> None:
        self._facebook = facebook

    def list_routes(self) -> ControlRoutes:
        """List the method, path and handler of each endpoint about Facebook Pages."""
        return [
            ("POST", "/pages", self.ensure_pages),
            ("GET", "/pages", self.list_pages),
            ("GET", "/pages/{id}", self.show_page),
            ("PATCH", "/pages/{id}", self.edit_page),
            ("DELETE", "/pages/{id}", self.delete_page),
            ("POST", "/pages/{id}/restore", self.restore_page),
            ("GET", "/pages/{id}/document", self.show_document),
            ("DELETE", "/pages/{id}/subscription", self.delete_subscription),
            ("POST", "/pages/{id}/revoke", self.revoke_tokens),
            ("POST", "/burst", self.run_burst),
            ("POST", "/drift", self.drift_pages),
        ]

    async def ensure_pages(self, _: Request, body: Any) -> Response:
        """Create the first `count` Facebook Pages that the `seed` (default 0) generates, unless they exist already.

        They belong to the user with the id `user`; without `user`, to the first user. All three values are in the body.
        """
        people = self._facebook.people
        owner = people[str(body["user"])] if "user" in body else next(iter(people.values()))
        pages = self._facebook.ensure_generated_pages(owner, int(body["count"]), int(body.get("seed", 0)))
        return build_json_response({"pages": [_build_summary(page) for page in pages]}, 201)

    async def list_pages(self, request: Request, _: Any) -> Response:
        """List all Facebook Pages, also deleted ones.

        The query parameter `user`, an id, limits the list to this user's pages.
        """
        user = request.query_params.get("user")
        pages = [page for page in self._facebook.pages.values() if user in (None, page.owner)]
        return build_json_response({"total": len(pages), "pages": [_describe_page(page) for page in pages]})

    async def show_page(self, request: Request, _: Any) -> Response:
        """Show one Facebook Page with all fields that have a value."""
        return build_json_response(_describe_page(self._find_page(request)))

    async def edit_page(self, request: Request, body: Any) -> Response:
        """Set fields of a Facebook Page to the values in the body, and send webhooks about them.

        The value null clears a field.
        """
        page = self._find_page(request)
        self._facebook.apply_edits_and_notify([(page, body)])
        return build_json_response(_describe_page(page))

    async def delete_page(self, request: Request, _: Any) -> Response:
        """Delete the page without sending webhooks. It can be restored."""
        return self._update_page(request, gone=True)

    async def restore_page(self, request: Request, _: Any) -> Response:
        """Restore a deleted page without sending webhooks."""
        return self._update_page(request, gone=False)

    async def delete_subscription(self, request: Request, _: Any) -> Response:
        """Delete the page's webhook subscription without notifying the app."""
        return self._update_page(request, subscribed=None)

    async def show_document(self, request: Request, _: Any) -> Response:
        """Return the document that merchant-sync must store for a Facebook Page.

        It has the page fields in the query parameter `fields` (separated by commas) or, without it, the default fields.
        """
        fields_text = request.query_params.get("fields")
        fields = tuple(fields_text.split(",")) if fields_text else expected_document.DEFAULT_FIELDS
        document = expected_document.build_document(self._find_page(request), fields)
        return Response(document, media_type="application/json")

    async def revoke_tokens(self, request: Request, body: Any) -> Response:
        """Revoke all tokens of the Facebook Page. Returns the number of revoked tokens.

        Later calls with these tokens fail with the error subcode that the body gives as `subcode` (default 492).
        """
        subcode = int(body.get("subcode", 492))
        return build_json_response(
            {"revoked": self._facebook.tokens.revoke_tokens(subcode, page=self._find_page(request).id)}
        )

    async def run_burst(self, _: Request, body: Any) -> Response:
        """Make many generated edits of Facebook Pages at once, and send their webhooks.

        In the body, `edits` is the number of edits, and `seed` (default 0) decides the new values. `pages` and `user`
        select the Facebook Pages; without both, all that are not deleted.
        """
        pages = self._select_pages(body)
        self._facebook.apply_edits_and_notify(edits.generate_burst(pages, int(body["edits"]), int(body.get("seed", 0))))
        return build_json_response({"edits": int(body["edits"]), "pages": [page.id for page in pages]})

    async def drift_pages(self, _: Request, body: Any) -> Response:
        """Change the counters and picture URLs of Facebook Pages without sending webhooks.

        In the body, `pages` and `user` select the Facebook Pages, and `seed` (default 0) decides the new counts.
        """
        pages, rng = self._select_pages(body), random.Random(int(body.get("seed", 0)))
        for page in pages:
            edits.drift_page(page, rng)
        self._facebook.save(pages=pages)
        return build_json_response({"pages": [page.id for page in pages]})

    def _select_pages(self, body: Any) -> list[Page]:
        """Select Facebook Pages by `pages` and `user` in the body.

        If `pages` is a list, it contains ids, and `user` is ignored. If it is a number, so many pages are selected: the
        first ones of the user `user`, or of all users without `user`. Without `pages`, all pages of the user or of all
        users are selected. Deleted pages are selected only by id.
        """
        selection, user = body.get("pages"), body.get("user")
        if isinstance(selection, list):
            return [self._facebook.pages[str(page_id)] for page_id in selection]
        pages = [page for page in self._facebook.pages.values() if not page.gone and user in (None, page.owner)]
        return pages if selection is None else pages[: int(selection)]

    def _update_page(self, request: Request, **attributes: Any) -> Response:
        page = self._find_page(request)
        for name, value in attributes.items():
            setattr(page, name, value)
        self._facebook.save(pages=[page])
        return build_json_response(_describe_page(page))

    def _find_page(self, request: Request) -> Page:
        return self._facebook.pages[request.path_params["id"]]


class _AppControl:
    """The endpoints about the app: faults, settings, rate limits, webhook subscription, deliveries and statistics."""

    def __init__(self, facebook: FacebookState, dispatcher: Dispatcher) -> None:
        self._facebook = facebook
        self._dispatcher = dispatcher

    def list_routes(self) -> ControlRoutes:
        """List the method, path and handler of each endpoint about the app."""
        return [
            ("GET", "/faults", self.show_faults),
            ("PUT", "/faults", self.set_faults),
            ("GET", "/app", self.show_app),
            ("PUT", "/app", self.update_app),
            ("GET", "/limits", self.show_limits),
            ("PUT", "/limits", self.set_limits),
            ("GET", "/subscription", self.show_subscription),
            ("DELETE", "/subscription", self.delete_subscription),
            ("GET", "/deliveries", self.list_deliveries),
            ("GET", "/statistics", self.show_statistics),
            ("DELETE", "/statistics", self.reset_statistics),
        ]

    async def show_faults(self, _: Request, __: Any) -> Response:
        """Show all faults, the failures that can be switched on, with their current values."""
        return build_json_response(self._facebook.faults.model_dump())

    async def set_faults(self, _: Request, body: Any) -> Response:
        """Replace all faults. Faults that the body leaves out are switched off."""
        self._facebook.set_faults(Faults(**body))
        return build_json_response(self._facebook.faults.model_dump())

    async def show_app(self, _: Request, __: Any) -> Response:
        """Show the id and the settings of the app."""
        return build_json_response({"id": self._facebook.app_id, **self._facebook.app.model_dump()})

    async def update_app(self, request: Request, body: Any) -> Response:
        """Change those settings of the app that are in the body. The others stay as they are."""
        self._facebook.set_app_settings(AppSettings(**{**self._facebook.app.model_dump(), **body}))
        return await self.show_app(request, body)

    async def show_limits(self, _: Request, __: Any) -> Response:
        """Show the rate limits of the app and of its Facebook Pages."""
        return build_json_response(self._facebook.usage.limits.model_dump())

    async def set_limits(self, _: Request, body: Any) -> Response:
        """Replace the rate limits, and reset the counts of calls."""
        self._facebook.set_limits_and_reset_counts(Limits(**body))
        return build_json_response(self._facebook.usage.limits.model_dump())

    async def show_subscription(self, _: Request, __: Any) -> Response:
        """Show the app's webhook subscription, or null without one."""
        subscription = self._facebook.subscription
        return build_json_response({"subscription": asdict(subscription) if subscription is not None else None})

    async def delete_subscription(self, request: Request, body: Any) -> Response:
        """Delete the app's webhook subscription without notifying the app."""
        self._facebook.set_subscription(None)
        return await self.show_subscription(request, body)

    async def list_deliveries(self, request: Request, _: Any) -> Response:
        """List the newest webhook deliveries, oldest first.

        The query parameter `limit` (default 1000) is their maximum number. The query parameters `page`, the id of a
        Facebook Page, and `status` filter them.
        """
        query = request.query_params
        page, status = query.get("page"), query.get("status")
        deliveries = [
            delivery for delivery in self._dispatcher.log
            if (page is None or page in delivery.pages) and status in (None, delivery.status)
        ]  # fmt: skip
        newest = deliveries[-int(query.get("limit", "1000")) :]
        reports = [delivery.build_report() | {"pages": delivery.pages} for delivery in newest]
        return build_json_response({"total": len(deliveries), "deliveries": reports})

    async def show_statistics(self, _: Request, __: Any) -> Response:
        """Show all counts of calls and webhooks, and the number of pending webhook deliveries."""
        return build_json_response(
            self._facebook.statistics.build_report() | {"pending_deliveries": self._dispatcher.count_pending()}
        )

    async def reset_statistics(self, request: Request, body: Any) -> Response:
        """Reset all counts of calls and webhooks to zero."""
        self._facebook.statistics = Statistics()
        return await self.show_statistics(request, body)


def _build_summary(page: Page) -> dict[str, str]:
    return {"id": page.id, "name": str(page.fields.get("name", ""))}


def _describe_page(page: Page) -> dict[str, Any]:
    return {
        **_build_summary(page), "user": page.owner, "fields": page.fields, "picture": build_picture_url(page),
        "subscribed": page.subscribed, "gone": page.gone,
    }  # fmt: skip

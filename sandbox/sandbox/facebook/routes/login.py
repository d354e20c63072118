"""The HTTP routes of the login dialog."""

from urllib.parse import urlencode, urlsplit

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.facebook import login
from sandbox.facebook.model import Person
from sandbox.facebook.state import FacebookState

_CANCELLED = {
    "error": "access_denied", "error_code": "200", "error_description": "Permissions error",
    "error_reason": "user_denied",
}  # fmt: skip


def build_routes(facebook: FacebookState, templates: Environment) -> list[Route]:
    """Build the routes of the login dialog: `/facebook/{version}/dialog/oauth`, and the same without a version."""
    dialog = _Dialog(facebook, templates)
    routes = []
    for path in ("/facebook/{version}/dialog/oauth", "/facebook/dialog/oauth"):
        routes.append(Route(path, dialog.show, methods=["GET"]))
        routes.append(Route(path, dialog.submit, methods=["POST"]))
    return routes


class _Dialog:
    def __init__(self, facebook: FacebookState, templates: Environment) -> None:
        self._facebook = facebook
        self._templates = templates

    async def show(self, request: Request) -> Response:
        """Show the login dialog, in which a user selects the Facebook Pages and the permissions that the app gets.

        The user is the one whose id is in the query parameter `user`; without it, the first one.
        """
        params = dict(request.query_params)
        login_request, person = login.parse_login_request(params), self._find_person_or_first(params)
        problem = login_request.find_problem(self._facebook)
        if problem is not None or person is None:
            return self._show_problem(problem or "There is no such person.")
        html = self._templates.get_template("facebook_consent.html").render(
            person=person, others=[other for other in self._facebook.people.values() if other is not person],
            pages=self._facebook.list_undeleted_pages(person), scopes=login_request.select_scopes_to_ask(person),
            app=self._facebook.app.name, action=f"?{request.url.query}", query=request.url.query,
        )  # fmt: skip
        return HTMLResponse(html)

    async def submit(self, request: Request) -> Response:
        """Handle the user's `decision` (accept or decline), and redirect to the app with a code or an error.

        The code is an authorization code, which the app exchanges for a token. The form has these fields:

        - `pages`: the ids of the selected Facebook Pages. Without it, all pages are selected.
        - `declined`: the declined permissions.
        - `asked`, `allowed`: the permissions that the HTML form shows, and those that are ticked. Permissions that are
          shown but not ticked are declined too.

        Each of these lists is a repeated form field, or one field with values separated by commas.
        """
        form = await request.form()
        fields = {key: [str(value) for value in form.getlist(key)] for key in form}
        params = dict(request.query_params) | {key: values[-1] for key, values in fields.items()}
        login_request = login.parse_login_request(dict(request.query_params))
        person = self._find_person_or_first(params)
        problem = login_request.find_problem(self._facebook)
        if problem is not None or person is None:
            return self._show_problem(problem or "There is no such person.")
        state = {"state": params["state"]} if "state" in params else {}
        if params.get("decision") != "accept":
            return _redirect_back(login_request.redirect_uri, _CANCELLED | state)
        all_ids = [page.id for page in self._facebook.list_undeleted_pages(person)]
        page_ids = _split_list(fields["pages"]) if "pages" in fields else all_ids
        declined = {*_split_list(fields.get("declined", []))}
        declined |= {*_split_list(fields.get("asked", []))} - {*_split_list(fields.get("allowed", []))}
        code = login.approve_login_and_issue_code(self._facebook, person, login_request, page_ids, declined)
        return _redirect_back(login_request.redirect_uri, {"code": code} | state)

    def _find_person_or_first(self, params: dict[str, str]) -> Person | None:
        people = self._facebook.people
        return people.get(params["user"]) if "user" in params else next(iter(people.values()))

    def _show_problem(self, problem: str) -> Response:
        return HTMLResponse(self._templates.get_template("refused.html").render(problem=problem), 400)


def _split_list(values: list[str]) -> list[str]:
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def _redirect_back(redirect_uri: str, params: dict[str, str]) -> Response:
    url = f"{redirect_uri}{'&' if urlsplit(redirect_uri).query else '?'}{urlencode(params)}"
    return RedirectResponse(f"{url}#_=_", status_code=302)

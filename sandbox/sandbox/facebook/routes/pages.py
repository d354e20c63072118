"""HTML pages on which users edit their Facebook Pages, remove the app, or ask for the deletion of their data."""

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.facebook import callbacks
from sandbox.facebook.callbacks import PostSignedRequest
from sandbox.facebook.model import Page, Person
from sandbox.facebook.state import FacebookState

_PAGES_SHOWN = 25
_TEXT_FIELDS = ("name", "phone", "about", "website", "description", "category")
_ACTIONS = {"remove_app": callbacks.remove_app_and_notify, "delete_data": callbacks.request_data_deletion}


def build_routes(facebook: FacebookState, templates: Environment, post: PostSignedRequest) -> list[Route]:
    """Build the routes of the HTML pages: `/facebook/` lists users, `/facebook/users/{id}/` shows their Facebook Pages.

    Forms post to further URLs, which redirect back to the HTML page of the user. `post` posts signed requests to the
    app's callbacks.
    """
    pages = _PageForms(facebook, templates, post)
    return [
        Route("/facebook/", pages.list_people, methods=["GET"]),
        Route("/facebook/users/{id}/", pages.show_person, methods=["GET"]),
        Route("/facebook/users/{id}/{action}", pages.run_action, methods=["POST"]),
        Route("/facebook/pages/{id}/save", pages.save_page, methods=["POST"]),
    ]


class _PageForms:
    def __init__(self, facebook: FacebookState, templates: Environment, post: PostSignedRequest) -> None:
        self._facebook = facebook
        self._templates = templates
        self._post = post

    async def list_people(self, _: Request) -> Response:
        """List all users. If there is only one user, redirect to the HTML page of that user."""
        people = list(self._facebook.people.values())
        if len(people) == 1:
            return self._redirect_to_person(people[0].id)
        page_counts = {person.id: len(self._facebook.list_undeleted_pages(person)) for person in people}
        template = self._templates.get_template("facebook.html")
        return HTMLResponse(template.render(people=people, page_counts=page_counts))

    async def show_person(self, request: Request) -> Response:
        """Show the Facebook Pages of a user, 25 at a time.

        The query parameter `page` says which 25; the first ones have the number 1. With the query parameter `find`,
        only Facebook Pages whose name contains this text are shown.
        """
        person = self._facebook.people.get(request.path_params["id"])
        if person is None:
            return self._show_missing()
        search, sheet_text = request.query_params.get("find", ""), request.query_params.get("page", "1")
        sheet = max(1, int(sheet_text)) if sheet_text.isdigit() else 1
        return HTMLResponse(self._render_person(person, search, sheet))

    async def run_action(self, request: Request) -> Response:
        """Remove the app's access to a user, or ask the app to delete the user's data. The URL path says which."""
        person = self._facebook.people.get(request.path_params["id"])
        action = _ACTIONS.get(request.path_params["action"])
        if person is None or action is None:
            return self._show_missing()
        await action(self._facebook, person, self._post)
        return self._redirect_to_person(person.id)

    async def save_page(self, request: Request) -> Response:
        """Set the fields of a Facebook Page to the values of the form. `email` has addresses separated by commas."""
        page: Page | None = self._facebook.pages.get(request.path_params["id"])
        if page is None:
            return self._show_missing()
        form = {key: str(value).replace("\r\n", "\n").strip() for key, value in (await request.form()).items()}
        values: dict[str, object] = {name: form[name] for name in _TEXT_FIELDS if name in form}
        if "email" in form:
            values["emails"] = [email.strip() for email in form["email"].split(",") if email.strip()]
        try:
            self._facebook.apply_edits_and_notify([(page, values)])
        except ValueError as error:
            return self._show_problem(str(error), 400)
        return self._redirect_to_person(page.owner)

    def _redirect_to_person(self, person_id: str) -> Response:
        return RedirectResponse(f"{self._templates.globals['base']}/facebook/users/{person_id}/", status_code=303)

    def _render_person(self, person: Person, search: str, sheet: int) -> str:
        own_pages = self._facebook.list_undeleted_pages(person)
        matches = [page for page in own_pages if search.lower() in str(page.fields.get("name", "")).lower()]
        return self._templates.get_template("facebook_user.html").render(
            person=person, pages=matches[(sheet - 1) * _PAGES_SHOWN : sheet * _PAGES_SHOWN], total=len(matches),
            sheet=sheet, sheets=-(-len(matches) // _PAGES_SHOWN), search=search, app=self._facebook.app.name,
        )  # fmt: skip

    def _show_missing(self) -> Response:
        return self._show_problem("This is not here.", 404)

    def _show_problem(self, problem: str, status: int) -> Response:
        return HTMLResponse(self._templates.get_template("refused.html").render(problem=problem), status)

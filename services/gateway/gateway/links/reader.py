"""Reads the links that a session may see.

A link shows values of both accounts. So a session sees it only if it may read both, and changes it only if it may act
on both: being listed under one merchant gives nobody a right. Who has signed in at one of them sees that there is a
link, its state and the other one's platform.
"""

import asyncio
from collections.abc import Iterable, Mapping
from uuid import UUID

from contracts.events import parse_account, parse_platform
from gateway.connect.paths import build_sign_in_path, get_sign_in_path
from gateway.connect.purposes import Purpose
from gateway.connections import CONNECTED, REDACTED, Connection
from gateway.links.client import LinkerClient, LinkerUnavailableError
from gateway.links.paths import build_link_path, build_new_link_path
from gateway.links.views import (
    ConnectionLinks,
    DatabaseOption,
    GroupOption,
    LinkDocument,
    LinkOfConnection,
    LinkView,
    NewLinkDocument,
    NewLinkOption,
    SignInView,
)
from gateway.sessions.sessions import Session
from gateway.store.connections import ConnectionStore
from linking.fields import DEFAULT_RULES, FIELDS, Authority, Group
from linking.records import DATABASE_SIDE, SHOP_SIDE, Side
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.connection_methods import OAuth
from platform_sdk.errors import NotFoundError


class MissingProofError(Exception):
    """The session may read one account of a link, and not the other one, which is at the platform `title`.

    `prove_path` is where to sign in there. Neither names the account.
    """

    def __init__(self, title: str, prove_path: str) -> None:
        super().__init__(title)
        self.title = title
        self.prove_path = prove_path


class LinkReader:
    """Reads links from the linker, and what can be linked from the connections."""

    def __init__(
        self, connections: ConnectionStore, linker: LinkerClient, adapters: Mapping[str, PlatformAdapter]
    ) -> None:
        self._connections = connections
        self._linker = linker
        self._adapters = adapters

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the platforms by side."""
        return {str(side): self._adapters[side].manifest.title for side in Side}

    async def find_link(self, session: Session, shop: str) -> LinkView:
        """Return the link of a shop.

        Raises NotFoundError where there is none, or where the session may read neither account, MissingProofError where
        it may read only one, and LinkerUnavailableError where the linker does not answer.
        """
        for merchant in await self._list_merchants(session, shop):
            link = await self._linker.fetch_link(merchant, shop)
            if link is not None:
                self._check_readable(session, link)
                return link
        raise NotFoundError

    async def load_link(self, session: Session, shop: str) -> LinkDocument:
        """Return all that the link's page shows. Raises the errors of `find_link`."""
        link = await self.find_link(session, shop)
        plan, conflicts, failures, syncs = await asyncio.gather(
            self._linker.fetch_plan(link.merchant, shop),
            self._linker.fetch_plan(link.merchant, shop, action="conflict"),
            self._linker.fetch_failures(link.merchant, shop),
            self._linker.fetch_syncs(link.merchant, shop),
        )
        stale = [name for name in link.connections.values() if not session.can_act(name)]
        grant_path = self._build_sign_in_path(shop, Purpose.CONNECT)
        return LinkDocument(
            link=link,
            plan=plan,
            conflicts=conflicts.lines,
            failures=failures,
            syncs=syncs.syncs,
            can_act=not stale,
            sign_ins=[SignInView(connection=name, url=self.build_prove_path(name)) for name in stale],
            grant_url=f"{grant_path}?{link.grant_query}" if link.missing_scopes else "",
        )

    async def load_links_of_connection(
        self, session: Session, row: Connection, own: Iterable[Connection]
    ) -> ConnectionLinks | None:
        """Return the links of a connection that the session may read; None where its platform has none.

        `own` are the connections that the session may read.
        """
        platform = parse_platform(row.name)
        if platform not in set(Side) or row.merchant is None:
            return None
        try:
            links = await self._linker.list_links(row.merchant)
        except LinkerUnavailableError:
            return ConnectionLinks(linker_away=True, links=[], options=[])
        linked = {link.shop for link in links}
        shops = [
            one.name
            for one in own
            if parse_platform(one.name) == SHOP_SIDE
            and one.merchant == row.merchant
            and one.state == CONNECTED
            and one.name not in linked
            and (platform == DATABASE_SIDE or one.name == row.name)
        ]
        return ConnectionLinks(
            linker_away=False,
            links=[
                self._build_link(session, row.name, link) for link in links if row.name in link.connections.values()
            ],
            options=[NewLinkOption(shop=shop, url=build_new_link_path(shop)) for shop in shops],
        )

    async def load_new_link(self, session: Session, shop: str) -> NewLinkDocument:
        """Return what a link of the shop can be made of.

        Raises NotFoundError unless it is a connected shop that the session may read.
        """
        rows = await self._find_own(session)
        row = next((row for row in rows if row.name == shop), None)
        if row is None or row.merchant is None or row.state != CONNECTED or parse_platform(shop) != SHOP_SIDE:
            raise NotFoundError
        databases = [one for one in rows if parse_platform(one.name) == DATABASE_SIDE and one.state == CONNECTED]
        members = await self._connections.list_names_by_merchant(row.merchant)
        known = {one.name for one in rows}
        unproved = [name for name in members if parse_platform(name) == DATABASE_SIDE and name not in known]
        return NewLinkDocument(
            shop=shop,
            title=row.title,
            is_fresh=session.can_act(shop),
            prove_url=self.build_prove_path(shop),
            databases=[
                DatabaseOption(
                    connection=one.name,
                    title=one.title,
                    is_fresh=session.can_act(one.name),
                    prove_url=self.build_prove_path(one.name),
                )
                for one in databases
                if one.merchant == row.merchant
            ],
            elsewhere=[one.name for one in databases if one.merchant != row.merchant],
            unproved=len(unproved),
            unproved_url=self._build_nameless_prove_path(DATABASE_SIDE),
            groups=[_build_group(group) for group in Group],
        )

    def build_prove_path(self, connection: str) -> str:
        """Return the path at which the connection's account is proved."""
        return self._build_sign_in_path(connection, Purpose.PROVE)

    def _build_sign_in_path(self, connection: str, purpose: Purpose) -> str:
        return build_sign_in_path(self._adapters[parse_platform(connection)], parse_account(connection), purpose)

    def _build_nameless_prove_path(self, side: Side) -> str:
        """Return the path at which accounts of the platform are proved. It does not name the account."""
        adapter = self._adapters[side]
        method = adapter.connection_method
        needs_name = isinstance(method, OAuth) and method.form is not None
        # The home page has the form in which the account is named.
        return "/" if needs_name else get_sign_in_path(adapter, Purpose.PROVE)

    def _check_readable(self, session: Session, link: LinkView) -> None:
        missing = [side for side, name in link.connections.items() if not session.can_read(name)]
        if len(missing) == len(Side):
            raise NotFoundError
        for side in missing:
            raise MissingProofError(self.titles[side], self._build_nameless_prove_path(side))

    def _build_link(self, session: Session, name: str, link: LinkView) -> LinkOfConnection:
        side, other = next((side, one) for side, one in link.connections.items() if one != name)
        is_shown = session.can_read(name) and session.can_read(other)
        return LinkOfConnection(
            platform=self.titles[side],
            connection=other if is_shown else "",
            state=link.state,
            url=build_link_path(link.shop) if is_shown else "",
        )

    async def _list_merchants(self, session: Session, shop: str) -> list[UUID]:
        """Return the merchants among whose links the shop's may be: that of the shop and those of databases.

        A shop that has moved to another merchant leaves its link behind, paused. Whoever may read the database as well
        still finds it. Strangers have neither, and the linker is not asked.
        """
        rows = await self._find_own(session)
        rows = [row for row in rows if row.name == shop or parse_platform(row.name) == DATABASE_SIDE]
        rows.sort(key=lambda row: row.name != shop)
        return list(dict.fromkeys(row.merchant for row in rows if row.merchant is not None))

    async def _find_own(self, session: Session) -> list[Connection]:
        rows = await self._connections.find_many(session.readable_connections)
        return sorted((row for row in rows if row.state != REDACTED), key=lambda row: row.name)


def _build_group(group: Group) -> GroupOption:
    sides = [str(side) for side in Side]
    # Differences of stock are added up, and one side's are sales: neither may be decided by whoever was last.
    others = [] if group is Group.STOCK else [str(Authority.NEWEST), str(Authority.HOLD)]
    return GroupOption(
        group=group,
        fields=[field.name for field in FIELDS if field.group is group],
        authorities=[*sides, *others],
        default=DEFAULT_RULES[group].authority,
    )

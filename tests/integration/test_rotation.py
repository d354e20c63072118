"""Every key and secret is replaced while webhooks flow and full syncs run: nothing is refused, nothing is lost."""

import base64
import json
import secrets
from collections.abc import Iterator

import pytest

from contracts.topics import DEAD_LETTER_SUFFIX, list_topics
from load_balancer import LoadBalancer, run_stack_behind_load_balancers
from merchant_sync.access import resolve_access
from merchant_sync.environment import OWNERS
from merchant_sync.internal_keys import SECRETS
from merchant_sync.parts import DATA_API, FETCHERS, GATEWAY, SANDBOX, SCHEDULER, SERVICES, SPACES, SPACES_WRITER
from platforms.registry import DESTINATIONS, PLATFORMS, load_role
from rolling_restart import Phase, count_outcomes, run_phase
from topic_reader import TopicContents
from world import World, wait_until

pytestmark = pytest.mark.integration


class Installation:
    """A stack whose services are replaced as in a rolling deployment: the new one is ready before the old one stops."""

    def __init__(self, world: World, balancers: dict[str, list[LoadBalancer]]) -> None:
        self.world, self.stack, self._balancers = world, world.stack, balancers
        self.shops = [world.make_shop(products=20, collections=0, discounts=0, variants=1) for _ in range(3)]
        self.large = world.make_shop(products=500, collections=0)
        for shop in (self.large, *self.shops):
            world.connect_and_sync(shop, within=120)
        self.pages = [page["id"] for page in world.connect_pages(world.create_person(pages=3)["id"]).pages]
        self.secrets: dict[str, str] = world.stack.environment.secrets  # type: ignore[assignment] # a dict, in fact
        self._active = {service: service for service in SERVICES}

    def replace(self, *services: str) -> None:
        """Replace the instance of each service by one with the settings of now.

        Browsers know the port of the first instance of the gateway only: it runs after each second replacement.
        """
        for service in services:
            old = self._active[service]
            new = self._active[service] = f"{service}-2" if old == service else service
            if new in self.stack.names:
                self.stack.start_part(new)
            else:
                self.stack.scale(service, 2)
            for balancer in self._balancers.get(service, []):
                balancer.ready = [new]
            self.stack.stop_part(old)

    def run_full_sync(self) -> None:
        """Start a full sync of the large shop."""
        self.world.poll_shop_now(self.large)

    def find_foreign_key_ids(self, key_id: str) -> list[str]:
        """Return the stored tokens' key ids other than `key_id`."""
        columns = "access_token, refresh_token"
        rows = self.world.select_rows(f"SELECT {columns} FROM gateway.connections WHERE state = 'connected'")
        return [token.split(".")[0] for row in rows for token in row if token and not token.startswith(f"{key_id}.")]


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """Run a stack behind load balancers."""
    with run_stack_behind_load_balancers() as (world, balancers):
        yield Installation(world, balancers)


def rotate_session_and_internal_keys(installation: Installation) -> None:
    """Replace the keys that only the services themselves know."""
    values = installation.secrets
    # The sessions end with it; nothing else does.
    values["state_token_secret"] = create_key()
    # Each caller gets a new key for each service that it calls, and that service gets its hash.
    for name in SECRETS:
        values[name] = secrets.token_hex(16)
    installation.replace(GATEWAY, SCHEDULER, DATA_API, *FETCHERS)


def rotate_keys_of_stores(installation: Installation) -> None:
    """Replace the passwords of the database and the keys of the bucket."""
    stack, world, values = installation.stack, installation.world, installation.secrets
    for service, owner in OWNERS.items():
        password = values[f"{owner}_database_password"] = secrets.token_hex(16)
        world.execute_sql(f"ALTER ROLE {owner} PASSWORD '{password}'")
        installation.replace(service)
    values["spaces_access_key"], values["spaces_secret_key"] = secrets.token_hex(16), secrets.token_hex(16)
    stack.restart(SPACES)
    installation.replace(SPACES_WRITER, DATA_API)
    # The test itself reads the bucket, too.
    (stack.data_dir / "secrets.json").write_text(json.dumps(values))
    world.use_access(resolve_access(stack.data_dir, stack.given))


def create_key() -> str:
    """Return 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def set_new_app_secrets(installation: Installation) -> None:
    """Give the gateway new secrets of the apps, besides those with which the platforms still sign."""
    settings = (setting.name for platform in PLATFORMS for setting in load_role(platform, "manifest").MANIFEST.settings)
    for previous in (name for name in settings if name.endswith("_SECRET_PREVIOUS")):
        name = previous.removesuffix("_PREVIOUS").lower()
        installation.stack.given[previous] = installation.secrets[name]
        installation.secrets[name] = secrets.token_hex(16)


def test_every_key_is_replaced_under_load_and_nothing_is_refused_or_lost(installation: Installation) -> None:
    world, stack, accounts = installation.world, installation.stack, (installation.shops, installation.pages)
    old_session = world.connect(installation.large)
    old_key, new_key = stack.environment.build_unfiltered_settings()["TOKEN_ENCRYPTION_KEYS"], f"k2:{create_key()}"

    with run_phase(world, "the installation's own keys", *accounts, minimum=300) as own_keys:
        stack.given["TOKEN_ENCRYPTION_KEYS"] = f"{new_key},{old_key}"
        rotate_session_and_internal_keys(installation)
        installation.run_full_sync()
        set_new_app_secrets(installation)
        rotate_keys_of_stores(installation)
        installation.run_full_sync()
    assert old_session.browser.get("/connections", headers={"Accept": "application/json"}).status_code == 401

    # Checked before the sandbox, which keeps its list of deliveries in memory, is restarted.
    assert_nothing_is_lost(installation, own_keys)

    # The platforms sign with the new secrets from now on, and a fetcher that signs its calls has to know them then.
    for fetcher in FETCHERS:
        stack.stop_part(installation._active[fetcher])
    stack.restart(SANDBOX)
    for fetcher in FETCHERS:
        stack.start_part(installation._active[fetcher])

    with run_phase(world, "the platforms' new secrets", *accounts, minimum=300) as new_secrets:
        for name in [name for name in stack.given if name.endswith("_SECRET_PREVIOUS")]:
            del stack.given[name]
        installation.replace(GATEWAY)
        installation.run_full_sync()
        wait_until(lambda: None if installation.find_foreign_key_ids("k2") else True, 60)
        stack.given["TOKEN_ENCRYPTION_KEYS"] = new_key
        installation.replace(GATEWAY, *FETCHERS)
        installation.run_full_sync()

    assert_nothing_is_lost(installation, new_secrets)
    again = world.connect(installation.large)
    assert world.wait_for_sync(again)["state"] == "success"
    world.wait_until_equal(installation.large)


def assert_nothing_is_lost(installation: Installation, phase: Phase) -> None:
    """Fail unless every webhook was accepted at once and led to a success, and every account is still connected."""
    world = installation.world
    for shop in installation.shops:
        world.wait_until_idle(shop, within=120)
    world.wait_until_idle(installation.large, within=120)
    world.wait_until_equal(installation.large, within=60)
    letters = [topic.name for topic in list_topics(PLATFORMS, DESTINATIONS) if topic.name.endswith(DEAD_LETTER_SUFFIX)]
    contents = TopicContents(installation.stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"], letters)
    count_outcomes(world, [phase], installation.shops, contents)
    assert not phase.refused, phase.refused
    assert set(phase.states) == {"success"}, phase.states
    assert phase.states.total() == len(phase.deliveries) > 100
    assert phase.lost == 0
    assert contents.dead_letter_count == 0
    states = world.select_rows("SELECT DISTINCT state FROM gateway.connections")
    assert [row.state for row in states] == ["connected"]
    failed = world.select_rows("SELECT connection, reason FROM scheduler.syncs WHERE state = 'failed'")
    assert failed == []

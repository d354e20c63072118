"""Settings: what the command itself needs, and what each service would make of those that are known here."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from facebook_fetcher.settings import FacebookFetcherSettings
from gateway.settings import GatewaySettings
from merchant_sync.access import Access
from merchant_sync.environment import OWNERS
from merchant_sync.operating.checks import Finding, bad, good
from scheduler.settings import SchedulerSettings
from service.settings import Settings
from shopify_fetcher.settings import ShopifyFetcherSettings
from spaces_writer.settings import WriterSettings

NEEDED = (
    *("GATEWAY_URL", "GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "INTERNAL_KEY", "KAFKA_BOOTSTRAP_SERVERS"),
    *("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY", "SPACES_BUCKET", "SHOPIFY_WEBHOOK_ADDRESS"),
)
"""Settings of the command, without which some of its looks cannot be taken."""
_SERVICES: Mapping[str, type[Settings]] = {
    "gateway": GatewaySettings,
    "scheduler": SchedulerSettings,
    "spaces-writer": WriterSettings,
    "shopify-fetcher": ShopifyFetcherSettings,
    "facebook-fetcher": FacebookFetcherSettings,
}
_OWN = {"INTERNAL_KEY", "PORT", "HOST"}
"""Each process has its own."""


def look(access: Access) -> Iterator[Finding]:
    """Settings that are missing here, and those that a service would refuse."""
    missing = [name for name in NEEDED if not access.get(name)]
    missing += [f"{owner.upper()}_DATABASE_URL" for owner in OWNERS.values() if not access.database_url(owner)]
    if missing:
        yield bad("settings of this command", f"missing: {', '.join(missing)}", "set them (deploy/env.example)")
    else:
        yield good("settings of this command", "all there")
    for service, kind in _SERVICES.items():
        if service != "facebook-fetcher" or access.has_facebook:
            yield _service(service, kind, access)


def _service(service: str, kind: type[Settings], access: Access) -> Finding:
    known = {name: value for name, value in access.settings.items() if name not in _OWN}
    if service in OWNERS and (url := access.database_url(OWNERS[service])):
        known["DATABASE_URL"] = url
    what = f"settings of {service}"
    wrong, unknown = _judged(kind, known)
    if wrong:
        return bad(what, "; ".join(wrong), "mend them where the service gets its settings")
    if unknown:
        return good(what, f"well-formed as far as known here; not known here: {', '.join(unknown)}")
    return good(what, "complete and well-formed")


def _judged(kind: type[Settings], known: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """What this service would refuse, and what it needs besides. Nothing but `known` is read."""

    class Alone(kind):  # type: ignore[valid-type, misc] # a class that is given
        @classmethod
        def settings_customise_sources(cls, *_: object, init_settings: object, **__: object) -> tuple[object, ...]:
            return (init_settings,)

    try:
        Alone(**{name.lower(): value for name, value in known.items()})
    except ValidationError as error:
        told = [(".".join(map(str, one["loc"])).upper(), one["type"], one["msg"]) for one in error.errors()]
        wrong = [f"{name or 'together'}: {said}" for name, kind_of, said in told if kind_of != "missing"]
        return wrong, [name for name, kind_of, _ in told if kind_of == "missing" and name not in _OWN]
    return [], []

"""The demo uses a running stack without anybody's input; each of its steps checks one promise of the product.

The steps of a platform are in a module `demo/<slug>.py` (the slug is the short name of the platform) with
a function `build_steps(trip)`.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from merchant_sync.demo.trip import Trip
from merchant_sync.parts import StackError
from merchant_sync.steps import DemoStep
from platforms.registry import PLATFORMS


def build_steps(trip: Trip) -> Sequence[DemoStep]:
    """Return the demo's steps: checks of gateway and bucket, then the steps of each platform that has any."""
    modules = [f"{__name__}.{slug}" for slug in PLATFORMS]
    return (
        DemoStep("The gateway answers and is ready", lambda: _check_gateway(trip)),
        DemoStep("The bucket can be read", lambda: _check_bucket(trip)),
        *(step for name in modules if find_spec(name) for step in import_module(name).build_steps(trip)),
    )


def _check_bucket(trip: Trip) -> str:
    trip.visit.load_object("no-such-object")
    return trip.visit.bucket


def _check_gateway(trip: Trip) -> str:
    for path in ("/health", "/ready"):
        status = trip.visit.http.get(f"{trip.visit.gateway_url}{path}").status_code
        if status != 200:
            raise StackError(f"{trip.visit.gateway_url}{path} answered {status}, expected 200")
    return trip.visit.gateway_url

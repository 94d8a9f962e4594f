"""What a route takes from the running application and from its request."""

from __future__ import annotations

from fastapi import Request

from serving.guards.access import Caller, Visibility
from serving.model_store import HeldRelease, ModelStore
from serving.records.scenario_store import Scenario, unknown_scenario
from serving.services import Services


def services_of(request: Request) -> Services:
    """What the running application holds."""
    services: Services = request.app.state.services
    return services


def store_of(request: Request) -> ModelStore:
    """The application's model store."""
    return services_of(request).store


def held_release(request: Request) -> HeldRelease:
    """The release that this request answers from, from its first line to its last.

    Raises:
        NoReleaseError: there is none.
    """
    return store_of(request).require()


def visible_studios(request: Request) -> Visibility:
    """The studios that the caller may see."""
    return _caller(request).visible


async def count_as(request: Request, requests: int) -> None:
    """Count a heavy request, which has been counted as one, as so many.

    Raises:
        RateLimitedError: the caller has not that many left.
    """
    if requests > 1:
        await services_of(request).rates.take(_caller(request).name, requests - 1, taken=1)


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def saved_scenario(request: Request, scenario_id: str) -> Scenario:
    """A saved scenario of a studio that the caller may see.

    Raises:
        UnknownScenarioError: there is none, or it is not to be seen.
        DatabaseError: nobody can say.
    """
    services = services_of(request)
    scenario = await services.database.run(services.scenarios.find, scenario_id)
    if not visible_studios(request).allows(scenario.studio_id):
        raise unknown_scenario(scenario_id)
    return scenario

"""An empty cloud with one watched project, and clients of its services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openstack_asking import Asker

from cos_update.fakes import Sandbox
from cos_update.fakes.openstack import CloudState, OpenStackApp
from cos_update.fakes.openstack.records import Project


@pytest.fixture
def state() -> CloudState:
    return CloudState()


@pytest.fixture
def team(state: CloudState) -> Project:
    return state.create_project("CM_team", watched=True)


@pytest.fixture
def asker(state: CloudState) -> Iterator[Asker]:
    app = OpenStackApp(state)
    with Sandbox(app):
        yield Asker(app)

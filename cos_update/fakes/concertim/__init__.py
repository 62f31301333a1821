"""A strict fake of Concertim's API, with the real app's rules, responses and quirks."""

from cos_update.fakes.concertim.app import ConcertimApp
from cos_update.fakes.concertim.records import Device, Rack, Team, TeamRole, Template, User
from cos_update.fakes.concertim.state import State

__all__ = ["ConcertimApp", "Device", "Rack", "State", "Team", "TeamRole", "Template", "User"]

"""Reads Concertim: the app's API flavour, owners, templates, racks and devices, in full or incrementally.

Separate from the client, which writes: a write may have to read, but a read never writes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from cos_update.concertim import codec
from cos_update.concertim import structure as structure_read
from cos_update.concertim.brake import Trial
from cos_update.concertim.codec import Json, UnexpectedAnswer, User
from cos_update.concertim.http import READS_AT_ONCE, Http
from cos_update.concertim.structure import StructureRack, is_shown_alike
from cos_update.concertim.transport import URL_HINT, Answer, ObjectHook, WriteFence
from cos_update.model.accounts import Accounts, Person
from cos_update.model.concertim import Actual, ApiFlavour, Device, InstanceDetails, Owner, Rack, Template
from cos_update.model.errors import ConcertimError, Gone, Refused, Unavailable
from cos_update.model.settings import ConcertimSettings

TEAM_ROLES = "team_roles"
"""The field that users have in the current API but not in the older one (observed)."""
FEW = 10
"""If more than one in this many devices differs from memory, reading all of them is cheaper."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class ConcertimReading(NamedTuple):
    """One reading of Concertim, and whether every device was read in full.

    `structure` is the checksum of the app's structure if every device is exactly as shown in it; else "".
    """

    actual: Actual
    in_full: bool
    structure: str = ""


class _Known(NamedTuple):
    """The devices by memory and the app's structure, this structure (() if it is as before), and its checksum."""

    devices: tuple[Device, ...]
    shown: tuple[StructureRack, ...]
    structure: str


class ConcertimReader:
    """The reading part of Concertim's API. Thread-safe.

    Every call raises ConcertimLoginError, Unavailable (no usable response in spite of retries), or Refused with the
    app's reason.
    """

    def __init__(self, settings: ConcertimSettings, trial: Trial, fence: WriteFence | None = None) -> None:
        self._http = Http(settings, trial=trial, fence=fence)
        self._flavour = settings.api
        self._is_configured = settings.api is not None
        self._wants_creation_times = False
        self._asking = threading.Lock()
        self._answers: dict[str, tuple[str, Any]] = {}

    def flavour(self) -> ApiFlavour:
        """The flavour of the app's API: the older one has no teams, the newer one no costs of teams.

        Detected once; again for each full reading unless it was certain, since apps get updated.
        """
        with self._asking:
            if self._flavour is None:
                self._flavour, _ = self._find_out()
            return self._flavour

    def _find_out(self) -> tuple[ApiFlavour, object]:
        """The app's API flavour, detected from its teams, and their listing, which can be reused."""
        try:
            answer = self._http.get("teams")
        except Gone:
            self._make_sure_that_there_are_no_teams()
            return ApiFlavour.USERS, None
        codec.listed(answer, "teams", codec.owner)  # raises unless it is a list of teams
        if self._wants_creation_times or codec.are_without_billing(answer):
            return ApiFlavour.CREDITS, answer
        return ApiFlavour.TEAMS, answer

    def _forget_the_flavour(self) -> None:
        """Resets the flavour: apps get updated, and an empty list of teams may be of the newer or the current API."""
        with self._asking:
            if not self._is_configured:
                self._flavour = None

    def _make_sure_that_there_are_no_teams(self) -> None:
        """Verifies that a 404 is from the older API, whose users have no team roles, and not from a proxy."""
        with suppress(Gone):
            user = self._http.get("users/current")
            if isinstance(user, Mapping) and TEAM_ROLES in user:
                raise self._no_list_of("teams")

    def current_user(self) -> User:
        """The user that we are logged in as."""
        return codec.shown(self._http.get("users/current"), "the current user", codec.user)

    def read_all(self) -> Actual:
        """Everything, in full."""
        return self.read().actual

    def read(
        self,
        remembered: Actual | None = None,
        needs_reread: Collection[str] = (),
        due: Sequence[str] = (),
        *,
        structure: str = "",
        accounts: bool = False,
    ) -> ConcertimReading:
        """Everything; with `accounts` also these and the costs of devices.

        With an earlier reading, `remembered`, only the structure is read, and in full the devices that differ in it, or
        whose ids are in `needs_reread`, and those in the racks `due`. If too many differ, or the app does not offer its
        structure, all are read in full. `structure` is the checksum of that earlier reading.

        Listings are read in sequence, since the app would not be faster in parallel. Racks are read before devices,
        since they are created before them: so no device is seen without its rack.
        """
        began = time.time()
        self._forget_the_flavour()
        listed = self._owners_listed()
        with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="turn") as pool:
            in_turn: list[Future[Mapping[str, Device]]] = []
            try:
                if remembered is not None and self.flavour() is not ApiFlavour.USERS:
                    in_turn = [pool.submit(self._in_its_turn, rack_id, remembered) for rack_id in due]
                owners, templates, racks = _owners(listed), self.templates(), self.racks()
                known = {rack.id for rack in racks}
                seen = "" if needs_reread or accounts else structure
                found = (
                    None
                    if remembered is None
                    else self._devices_by_structure(remembered, needs_reread, in_turn, known, seen)
                )
            finally:
                for turn in in_turn:
                    turn.cancel()
        devices = found.devices if found else self.devices({template.id: template.height for template in templates})
        if any(device.rack_id not in known for device in devices):
            # Their racks were created in between; or they were removed with their racks, and don't count.
            wanted = {device.rack_id for device in devices}
            racks += tuple(rack for rack in self.racks() if rack.id in wanted - known)
            known = {rack.id for rack in racks}
            devices = tuple(device for device in devices if device.rack_id in known)
        actual = Actual(
            began,
            self.flavour(),
            owners={owner.id: owner for owner in owners},
            templates={template.id: template for template in templates},
            racks={rack.id: rack for rack in racks},
            devices={device.id: device for device in devices},
            is_narrowed=self._http.login.is_root is False,
            accounts=self._accounts(listed) if accounts else None,
            costs=structure_read.costs(found.shown) if found and accounts else {},
        )
        return ConcertimReading(actual, found is None, found.structure if found else "")

    def reread(self, actual: Actual, devices: Sequence[str]) -> Actual | None:
        """`actual` with the current state of these devices, by id; None if the app refuses to show one of them."""
        found = dict(actual.devices)
        try:
            with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="device") as pool:
                read = dict(zip(devices, pool.map(self.device, devices), strict=True))
        except Refused as error:
            log.info("Concertim's devices are read in full: %s", error)
            return None
        for item, device in read.items():
            if device is None:
                del found[item]
            else:
                found[item] = device
        return replace(actual, devices=found)

    def _devices_by_structure(
        self,
        remembered: Actual,
        needs_reread: Collection[str],
        in_turn: Sequence[Future[Mapping[str, Device]]],
        racks: Collection[str],
        seen: str,
    ) -> _Known | None:
        """The devices from memory and the structure; None: all must be read.

        `in_turn` give those that were read at the same time and differ from memory. `seen` is the checksum of a
        structure in which every remembered device is as remembered.
        """
        if ApiFlavour.USERS in (self.flavour(), remembered.flavour):
            return None
        try:
            checksum, shown = self._structure(seen)
            fresh = {item: device for turn in in_turn for item, device in turn.result().items()}
            devices = {**remembered.devices, **fresh}
            if checksum == seen and all(is_shown_alike(fresh[item], remembered.devices[item]) for item in fresh):
                return _Known(tuple(devices.values()), (), checksum)
            if shown is None:
                checksum, shown = self._structure()
            known, rest = structure_read.sort_out(shown or (), devices, needs_reread, racks)
            if len(rest) * FEW <= max(len(known) + len(rest), FEW):
                read = (device for item in rest if (device := self.device(item)))
                return _Known((*known.values(), *read), shown or (), "" if rest else checksum)
            reason = f"{len(rest)} differ from memory"
        except (Gone, Refused, UnexpectedAnswer) as error:
            reason = str(error)
        log.info("Concertim's devices are read in full: %s", reason)
        return None

    def _in_its_turn(self, rack_id: str, remembered: Actual) -> Mapping[str, Device]:
        """By id, the devices in this rack that differ from memory; an unreadable rack waits for its next turn."""
        try:
            shown = self.rack(rack_id)
        except (Refused, UnexpectedAnswer) as error:
            log.info("%s; its devices are taken as unchanged", error)
            return {}
        # The structure tells which devices are new or gone.
        return {
            device.id: device
            for device in (shown[1] if shown else ())
            if (before := remembered.devices.get(device.id)) is not None and not _is_same(device, before)
        }

    def read_structure(self) -> tuple[StructureRack, ...]:
        """All racks and devices without metadata and details: about a tenth of the cost of `devices`.

        Raises Gone if the app does not offer it.
        """
        return self._structure()[1] or ()

    def _structure(self, seen: str = "") -> tuple[str, tuple[StructureRack, ...] | None]:
        """The checksum of the structure, and the structure: None if it is `seen` and was not decoded before."""
        flavour = self.flavour()
        object_hook = structure_read.object_hook_for(flavour)
        return self._as_before(
            "irv/racks", lambda answer: structure_read.racks(answer, flavour), flavour, object_hook, seen
        )

    def owners(self) -> tuple[Owner, ...]:
        """The teams (older API: users) that are visible to this login."""
        return _owners(self._owners_listed())

    def _owners_listed(self) -> object:
        with self._asking:
            if self._flavour is None:
                self._flavour, teams = self._find_out()
                if teams is not None:
                    return teams
        return self._listing("users" if self.flavour() is ApiFlavour.USERS else "teams")

    def _accounts(self, owners: object) -> Accounts:
        """The accounts in the listing of owners, and the users, which are the owners in the older API."""
        people: Mapping[str, Person] | None = None
        try:
            answer = owners if self.flavour() is ApiFlavour.USERS else self._listing("users")
            people = {person.id: person for person in codec.listed(answer, "users", codec.person)}
        except ConcertimError as error:
            log.warning("cannot read Concertim's users, keeping the ones read before: %s", error)
        return Accounts(dict(codec.listed(owners, "owners", codec.account)), people)

    def templates(self) -> tuple[Template, ...]:
        """All device templates, Concertim's own included."""
        return self._listed_as_before("templates", codec.template)

    def racks(self) -> tuple[Rack, ...]:
        """All racks, without their devices."""
        return self._listed_as_before("racks", codec.rack)

    def devices(self, heights: Mapping[str, int] | None = None) -> tuple[Device, ...]:
        """All devices in full, at about 5.5 ms per device in the app (observed). `heights` of templates are by id."""
        return self._index("devices", self._device_codec(heights))

    def rack(self, rack_id: str) -> tuple[Rack, tuple[Device, ...]] | None:
        """One rack and its devices in full; None if it is gone."""
        try:
            answer = self._http.get(path_of("racks", rack_id))
        except Gone:
            return None
        found = codec.shown(answer, "a rack", codec.rack)
        held = answer.get("devices", []) if isinstance(answer, Mapping) else None
        return found, codec.listed(held, "devices", self._device_codec())

    def device(self, device_id: str) -> Device | None:
        """One device in full; None if it is gone."""
        try:
            return codec.shown(self._http.get(path_of("devices", device_id)), "a device", self._device_codec())
        except Gone:
            return None

    def _device_codec(self, heights: Mapping[str, int] | None = None) -> Callable[[Json], Device]:
        flavour = self.flavour()
        return lambda body: codec.device(body, flavour, heights)

    def _listed_as_before(self, what: str, decode: Callable[[Json], T]) -> tuple[T, ...]:
        try:
            return self._as_before(what, lambda answer: codec.listed(answer, what, decode))[1] or ()
        except Gone:
            raise self._no_list_of(what) from None

    def _as_before(
        self,
        path: str,
        decode: Callable[[object], T],
        flavour: str = "",
        object_hook: ObjectHook | None = None,
        seen: str = "",
    ) -> tuple[str, T | None]:
        """The checksum of the response, and the decoded response: the same objects as last time if it is the same, byte
        for byte; None if its checksum is `seen` and it was not decoded before.

        `flavour` is the API that it is decoded for, if that matters.
        """
        checksum, known = self._answers.get(path, ("", None))

        def read(answer: Answer) -> tuple[str, object]:
            found = blake2b(answer.body, key=flavour.encode()).hexdigest()
            return found, None if found in (checksum, seen) else answer.json(object_hook)

        found, answer = self._http.read(path, read)
        if found == checksum:
            value: T = known
            return found, value
        if found == seen:
            return found, None
        value = decode(answer)
        self._answers[path] = found, value
        return found, value

    def _index(self, what: str, decode: Callable[[Json], T]) -> tuple[T, ...]:
        return codec.listed(self._listing(what), what, decode)

    def _listing(self, what: str) -> object:
        try:
            return self._http.get(what)
        except Gone:
            raise self._no_list_of(what) from None

    def _no_list_of(self, what: str) -> Unavailable:
        # An index cannot be deleted: this is not the app, or not the app's path.
        return Unavailable(f"Concertim at {self._http.address} has no list of {what} (404)", URL_HINT, 404)


def _owners(listed: object) -> tuple[Owner, ...]:
    return codec.listed(listed, "owners", codec.owner)


def _is_same(device: Device, before: Device) -> bool:
    """Whether a device is as remembered; read from the journal's JSON, no volumes may be an empty list."""
    details = before.details
    if isinstance(details, InstanceDetails) and details.volume_details == []:
        before = replace(before, details=replace(details, volume_details=()))
    return device == before and device.cost == before.cost


def path_of(kind: str, object_id: str) -> str:
    """The path of one object. Raises ValueError without an id, which would be the path of all of them."""
    if not object_id:
        raise ValueError(f"an id is needed to ask for one of the {kind}")
    return f"{kind}/{quote(object_id, safe='')}"

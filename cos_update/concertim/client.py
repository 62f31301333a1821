"""The client: every call that the product makes of Concertim, in the model's terms."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote

from cos_update.concertim import bodies, codec, structure
from cos_update.concertim.codec import Json, Record, UnexpectedAnswer, User
from cos_update.concertim.http import Counts, Http
from cos_update.concertim.retry import given_up
from cos_update.concertim.structure import StructureRack
from cos_update.concertim.transport import URL_HINT, TransientError
from cos_update.model.concertim import Actual, ApiFlavour, Device, Owner, Rack, Template
from cos_update.model.errors import ConcertimError, Gone, Refused, Unavailable
from cos_update.model.settings import ConcertimSettings

INTERNAL_ERROR = 500
FORBIDDEN = 403
CREATION_TIME = "cloud_created_at"
PROBE = "limit-check"
"""Name of a rack that is asked for to be refused."""
PROVOKED = ("u_height ", "status ", "order_id ", "name ", "cluster_type")
"""How complaints begin that are about the probe itself, which is of no real cluster type."""
TEAM_ROLES = "team_roles"
"""What every user of the current API has, and none of the older one (observed)."""
FEW = 10
"""Of so many devices one may differ from what is remembered before reading all of them is cheaper."""
OVER_THE_LIMIT = re.compile(r"[^;]*\blimit of \d+ has been exceeded")
"""How the app words that its licence allows no more (observed)."""

log = logging.getLogger(__name__)


class ConcertimClient:
    """Concertim's API. Thread-safe; a context manager that closes it.

    Every call raises ConcertimLoginError, Unavailable (no usable answer to any of the allowed tries), or Refused with
    the app's own reason. What changes something is repeated only where that cannot do it twice: a create whose answer
    was lost is first looked for by our id.
    """

    def __init__(self, settings: ConcertimSettings) -> None:
        self._http = Http(settings, trial=self._trial)
        self._flavour = settings.api
        self._is_configured = settings.api is not None
        self._wants_creation_times = False
        self._asking = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections. Calls that wait for another try give up; those under way still end."""
        self._http.close()

    def end_retries(self) -> None:
        """Has nothing tried again from now on: whoever waits for another try gives up."""
        self._http.retry_policy.end()

    @property
    def counts(self) -> Counts:
        """How many reads, writes and logins were sent until now."""
        return self._http.counts

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which the app's clock is ahead of ours, to half a second; None before the first login."""
        return self._http.login.clock_offset

    def flavour(self) -> ApiFlavour:
        """Which of its APIs the app speaks: the older one has no teams, the newer one charges nothing to them.

        Asked once; again for each reading of everything unless it was certain, for apps get updated.
        """
        with self._asking:
            if self._flavour is None:
                self._flavour, _ = self._find_out()
            return self._flavour

    def _find_out(self) -> tuple[ApiFlavour, tuple[Owner, ...] | None]:
        """The app's API, told by its teams; and those, which then need not be asked for again."""
        try:
            answer = self._http.get("teams")
        except Gone:
            self._make_sure_that_there_are_no_teams()
            return ApiFlavour.USERS, None
        teams = codec.listed(answer, "teams", codec.owner)
        if self._wants_creation_times or codec.are_without_billing(answer):
            return ApiFlavour.CREDITS, teams
        return ApiFlavour.TEAMS, teams

    def _forget_the_flavour(self) -> None:
        """Apps get updated, and a list without teams does not tell the newer API from the current one."""
        with self._asking:
            if not self._is_configured:
                self._flavour = None

    def _make_sure_that_there_are_no_teams(self) -> None:
        """Something before the app may answer 404 in its place; a user of the older API has no roles in teams."""
        with suppress(Gone):
            user = self._http.get("users/current")
            if isinstance(user, Mapping) and TEAM_ROLES in user:
                raise self._no_list_of("teams")

    def current_user(self) -> User:
        """The user as whom we are logged in."""
        return codec.shown(self._http.get("users/current"), "the current user", codec.user)

    def read_all(self) -> Actual:
        """Everything, in full."""
        return self.read()[0]

    def read(
        self, remembered: Actual | None = None, needs_reread: Collection[str] = (), due: Collection[str] = ()
    ) -> tuple[Actual, bool]:
        """Everything, and whether every device was read in full.

        With an earlier reading, `remembered`, only the structure is read, and in full the devices that are not in it
        as remembered, or whose ids are among `unsure` or `due`. When too many differ, or the app does not give its
        structure, all are read in full.

        One listing after the other: the app serves a second one no sooner. Racks come before devices, because the app
        makes a rack before its devices: none is seen without its rack.
        """
        began = time.time()
        self._forget_the_flavour()
        owners, templates, racks = self.owners(), self.templates(), self.racks()
        known = {rack.id for rack in racks}
        devices = None if remembered is None else self._devices_by_structure(remembered, needs_reread, due, known)
        full = devices is None
        if devices is None:
            devices = self.devices({template.id: template.height for template in templates})
        if any(device.rack_id not in known for device in devices):
            # Their racks were made in between; or they were removed with them, and don't count.
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
        )
        return actual, full

    def reread(self, actual: Actual, devices: Collection[str]) -> Actual | None:
        """`actual` with these devices, by id, as they are now; None when the app refuses to show one of them."""
        found = dict(actual.devices)
        try:
            read = {item: self.device(item) for item in sorted(devices)}
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
        self, remembered: Actual, needs_reread: Collection[str], due: Collection[str], racks: Collection[str]
    ) -> tuple[Device, ...] | None:
        """The devices by the structure read and what is remembered; None when they must all be read in full."""
        if ApiFlavour.USERS in (self.flavour(), remembered.flavour):
            return None
        try:
            shown = self.read_structure()
            known, rest = structure.sort_out(shown, remembered.devices, needs_reread, racks)
            if len(rest) * FEW <= max(len(known) + len(rest), FEW):
                known |= self._in_their_turn(item for item in due if item in known)
                return (*known.values(), *(device for item in rest if (device := self.device(item))))
            reason = f"{len(rest)} are not as remembered"
        except (Gone, Refused, UnexpectedAnswer) as error:
            reason = str(error)
        log.info("Concertim's devices are read in full: %s", reason)
        return None

    def _in_their_turn(self, devices: Iterable[str]) -> dict[str, Device]:
        """These devices by id, as they are now; what can't be read waits for its next turn."""
        found = {}
        for item in devices:
            try:
                device = self.device(item)
            except Refused as error:
                log.info("%s; it is taken to be as it was", error)
            else:
                # One that went meanwhile is missed by the next structure read.
                found.update({item: device} if device else {})
        return found

    def read_structure(self) -> tuple[StructureRack, ...]:
        """All racks and devices without metadata and details: about a tenth of the cost of `devices`.

        Raises Gone when the app does not offer it.
        """
        flavour = self.flavour()
        return structure.racks(self._http.get("irv/racks", structure.object_hook_for(flavour)), flavour)

    def limit_met(self, owner: Owner) -> str:
        """What the app says when its licence allows no further rack, else ""."""
        return next((match for match in self.complaints(owner) if OVER_THE_LIMIT.fullmatch(match)), "")

    def complaints(self, owner: Owner) -> tuple[str, ...]:
        """Why the app would refuse any further rack, its licence's limit for one: nothing when it would not.

        It says so when it refuses a rack, and nowhere else (observed). So one is asked for that it refuses anyhow:
        without height and status, and where there are orders without an order id. What it says besides is the answer.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        rack = Rack("", PROBE, owner.id, 0, "", created=now, cluster_type=PROBE)
        try:
            answer = self._http.post("racks", bodies.new_rack(rack, self.flavour()))
        except Refused as refusal:
            if refusal.status == FORBIDDEN:
                return ()
            match = (part.strip() for part in str(refusal).split(";"))
            return tuple(part for part in match if not part.startswith(PROVOKED))
        except TransientError as trouble:
            raise given_up(trouble, 1) from None
        self.delete_rack(codec.shown(answer, "a rack", codec.rack).id)
        return ()

    def owners(self) -> tuple[Owner, ...]:
        """The teams (older API: users) that this login may see."""
        with self._asking:
            if self._flavour is None:
                self._flavour, teams = self._find_out()
                if teams is not None:
                    return teams
        return self._index("users" if self.flavour() is ApiFlavour.USERS else "teams", codec.owner)

    def templates(self) -> tuple[Template, ...]:
        """All device templates, Concertim's own included."""
        return self._index("templates", codec.template)

    def racks(self) -> tuple[Rack, ...]:
        """All racks, without their devices."""
        return self._index("racks", codec.rack)

    def devices(self, heights: Mapping[str, int] | None = None) -> tuple[Device, ...]:
        """All devices in full, which costs the app about 5.5 ms a device (observed). `heights`: of templates by id."""
        return self._index("devices", self._device_codec(heights))

    def rack(self, rack_id: str) -> tuple[Rack, tuple[Device, ...]] | None:
        """One rack and its devices in full; None when it is gone."""
        try:
            answer = self._http.get(_path("racks", rack_id))
        except Gone:
            return None
        found = codec.shown(answer, "a rack", codec.rack)
        held = answer.get("devices", []) if isinstance(answer, Mapping) else None
        return found, codec.listed(held, "devices", self._device_codec())

    def device(self, device_id: str) -> Device | None:
        """One device in full; None when it is gone."""
        try:
            return codec.shown(self._http.get(_path("devices", device_id)), "a device", self._device_codec())
        except Gone:
            return None

    def create_template(self, template: Template) -> Template:
        """Creates a template and gives it as it is now."""

        def look() -> Template | None:
            # The height can't be changed: one of another height is that which this one is to replace.
            same = (t for t in self.templates() if t.foreign_id == template.foreign_id and t.height == template.height)
            return next(same, None)

        body = bodies.new_template(template)
        return self._create("templates", body, "a template", codec.template, look if template.foreign_id else None)

    def update_template(self, template_id: str, changes: Mapping[str, object]) -> Template:
        """Changes fields of a template. Raises Gone."""

        body = bodies.changed_template(changes)
        path = _path("templates", template_id)
        return self._update(path, body, "a template", codec.template, lambda: self._template(template_id))

    def delete_template(self, template_id: str) -> None:
        """Deletes a template that no device uses; one that is gone already is fine."""
        self._delete(_path("templates", template_id), lambda: self._template(template_id))

    def create_rack(self, rack: Rack) -> Rack:
        """Creates a rack and gives it as it is now."""

        def look() -> Rack | None:
            same = (r for r in self.racks() if r.stack_id == rack.stack_id and r.owner_id == rack.owner_id)
            return next(same, None)

        def create() -> Rack:
            body = bodies.new_rack(rack, self.flavour())
            return self._create("racks", body, "a rack", codec.rack, look if rack.stack_id else None)

        return self._for_newer_api(create)

    def update_rack(self, rack_id: str, changes: Mapping[str, object]) -> Rack:
        """Changes fields of a rack; metadata and network details are replaced whole. Raises Gone."""

        def look() -> Rack | None:
            found = self.rack(rack_id)
            return found[0] if found else None

        return self._update(_path("racks", rack_id), bodies.changed_rack(changes), "a rack", codec.rack, look)

    def delete_rack(self, rack_id: str) -> None:
        """Deletes an empty rack; one that is gone already is fine."""
        self._delete(_path("racks", rack_id), lambda: self.rack(rack_id))

    def create_device(self, device: Device) -> Device:
        """Creates a device in its rack and gives it as it is now. Raises Gone when its rack or template is gone."""

        def look() -> Device | None:
            found = self.rack(device.rack_id)
            return next((d for d in found[1] if _same_device(d, device)), None) if found else None

        def create() -> Device:
            body = bodies.new_device(device, self.flavour())
            return self._create("nodes", body, "a device", self._device_codec(), look if device.object_id else None)

        try:
            return self._for_newer_api(create)
        except Refused as refusal:
            # For a rack that is gone the app has no 404 but a 500 of no particular kind.
            if refusal.status == INTERNAL_ERROR and self.rack(device.rack_id) is None:
                raise Gone(f"the rack of {device.name} is gone from Concertim", status=404) from None
            raise

    def update_device(self, device: Device, changes: Mapping[str, object]) -> Device:
        """Changes fields of a device: metadata is replaced whole, `details` field by field. Raises Gone.

        The app saves the parts of a device one by one: after Refused or Unavailable some of it may have been done.
        """
        body = bodies.changed_device(changes, self.flavour())
        path = _path("devices", device.id)
        return self._update(path, body, "a device", self._device_codec(), lambda: self.device(device.id))

    def delete_device(self, device_id: str) -> None:
        """Deletes a device; one that is gone already is fine."""
        self._delete(_path("devices", device_id), lambda: self.device(device_id))

    def _device_codec(self, heights: Mapping[str, int] | None = None) -> Callable[[Json], Device]:
        flavour = self.flavour()
        return lambda body: codec.device(body, flavour, heights)

    def _index(self, what: str, decode: Callable[[Json], Record]) -> tuple[Record, ...]:
        try:
            return codec.listed(self._http.get(what), what, decode)
        except Gone:
            raise self._no_list_of(what) from None

    def _no_list_of(self, what: str) -> Unavailable:
        # Nobody can delete a whole index: this is not the app, or not where the app is.
        return Unavailable(f"Concertim at {self._http.address} has no list of {what} (404)", URL_HINT, 404)

    def _create(
        self,
        path: str,
        body: object,
        what: str,
        decode: Callable[[Json], Record],
        look: Callable[[], Record | None] | None,
    ) -> Record:
        """POSTs, and once more only after `look` has not found the object that a lost answer may have left.

        What has no id of ours can't be looked for (`look` is None) and is not tried again.
        """
        for first in (True, False):
            try:
                return codec.shown(self._http.post(path, body), what, decode)
            except TransientError as error:
                trouble = error
            except UnexpectedAnswer as error:
                trouble = TransientError(str(error), sent=True)
            except Refused as refusal:
                if is_fault(refusal):
                    return self._found_after(refusal, look)
                # "Taken" may well be: by the first try, carried out after we had looked.
                if not first and look and (found := look()):
                    return found
                raise
            if look is None or not self._http.retry_policy.pause(1, trouble):
                raise given_up(trouble, 1)
            if found := look():
                return found
        raise given_up(trouble, 2)

    def _for_newer_api(self, create: Callable[[], Record]) -> Record:
        """What `create` makes; when the app wants what only the newer API knows, it is taken to speak that."""
        try:
            return create()
        except Refused as refusal:
            with self._asking:
                if CREATION_TIME not in str(refusal) or self._is_configured or self._flavour is not ApiFlavour.TEAMS:
                    raise
                self._flavour, self._wants_creation_times = ApiFlavour.CREDITS, True
        return create()

    def _update(
        self, path: str, body: object, what: str, decode: Callable[[Json], Record], look: Callable[[], Record | None]
    ) -> Record:
        """PATCHes; when the answer cannot be used, the object as it is now.

        Raises Refused with the object as it was found after a 5xx.
        """
        try:
            answer = self._http.patch(path, body)
        except Refused as refusal:
            if not is_fault(refusal):
                raise
            now = self._looked(refusal, look)
            if now is None:
                raise Gone(f"{what} is gone from Concertim", status=404) from None
            raise Refused(str(refusal), refusal.hint, refusal.status, now) from None
        try:
            return codec.shown(answer, what, decode)
        except UnexpectedAnswer:
            found = look()
            if found is None:
                raise Gone(f"{what} is gone from Concertim", status=404) from None
            return found

    def _delete(self, path: str, look: Callable[[], object | None]) -> None:
        """DELETEs; what a 5xx has left is looked for."""
        try:
            self._http.delete(path)
        except Refused as refusal:
            if not is_fault(refusal) or self._looked(refusal, look) is not None:
                raise
            log.warning("Concertim answered a removal with an error, but it was done: %s", refusal)

    def _found_after(self, refusal: Refused, look: Callable[[], Record | None] | None) -> Record:
        """What a create has made that was answered by a 5xx. Raises the refusal when it has made nothing."""
        found = self._looked(refusal, look) if look else None
        if found is None:
            raise refusal
        log.warning("Concertim answered a creation with an error, but it was done: %s", refusal)
        return found

    def _looked(self, refusal: Refused, look: Callable[[], Record | None]) -> Record | None:
        """What is there after a 5xx. Raises Unavailable when that can't be seen: then nobody knows what was done."""
        try:
            return look()
        except ConcertimError as error:
            text = f"{refusal}; whether it was done is not known ({error})"
            raise Unavailable(text, refusal.hint, refusal.status) from None

    def _trial(self) -> bool | None:
        """Whether the app can carry out a write: a few racks of ours are sent the name that they have.

        A few, for it may be one of these that the app takes amiss.
        """
        try:
            racks = sorted((rack for rack in self.racks() if rack.stack_id), key=lambda rack: rack.id)
        except ConcertimError:
            return False
        if not racks:
            return None
        chosen = {rack.id: rack for rack in (racks[0], racks[len(racks) // 2], racks[-1])}.values()
        return any(
            self._http.is_able_to_patch(_path("racks", rack.id), bodies.changed_rack({"name": rack.name}))
            for rack in chosen
        )

    def _template(self, template_id: str) -> Template | None:
        return next((template for template in self.templates() if template.id == template_id), None)


def is_fault(refusal: Refused) -> bool:
    """Whether the app failed, rather than said no: it may have done all of it, or some."""
    return refusal.status is not None and refusal.status >= INTERNAL_ERROR


def _path(kind: str, object_id: str) -> str:
    if not object_id:
        raise ValueError(f"an id is needed to ask for one of the {kind}")
    return f"{kind}/{quote(object_id, safe='')}"


def _same_device(one: Device, other: Device) -> bool:
    # The template can't be changed: a device with another one is that which this one is to replace.
    return one.object_id == other.object_id and one.template_id == other.template_id

"""The client: all that is read of Concertim, and every change that is made to it, in the model's terms.

The rules of writing stand here: what may be repeated, what is looked for when an answer was lost, and what a 5xx means.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from cos_update.concertim import bodies, codec
from cos_update.concertim.codec import Json, UnexpectedAnswer
from cos_update.concertim.http import Counts
from cos_update.concertim.reader import ConcertimReader, path_of
from cos_update.concertim.retry import given_up
from cos_update.concertim.transport import TransientError, WriteFence
from cos_update.model.concertim import ApiFlavour, Device, Owner, Rack, Record, Template
from cos_update.model.errors import ConcertimError, Gone, Refused, Unavailable
from cos_update.model.settings import ConcertimSettings

INTERNAL_ERROR = 500
FORBIDDEN = 403
CREATION_TIME = "cloud_created_at"
PROBE = "limit-check"
"""Name of the rack that is requested in order to be refused."""
PROVOKED = ("u_height ", "status ", "order_id ", "name ", "cluster_type")
"""How complaints begin that are about the probe itself, which is of no real cluster type."""
OVER_THE_LIMIT = re.compile(r"[^;]*\blimit of \d+ has been exceeded")
"""How the app words that its licence allows no more (observed)."""

log = logging.getLogger(__name__)

Look = Callable[[], Record | None]
"""Looks for an object that a write may have left."""


class ConcertimClient(ConcertimReader):
    """Concertim's API. Thread-safe; a context manager that closes it.

    Every call raises ConcertimLoginError, Unavailable (no usable answer to any of the allowed tries), or Refused with
    the app's own reason. What changes something is repeated only where that cannot do it twice: a create whose answer
    was lost is first looked for by our id. With a `fence` a write is sent only if that lets it (else Fenced).
    """

    def __init__(self, settings: ConcertimSettings, fence: WriteFence | None = None) -> None:
        # Behind a fence no trial is made: the rack that it would be made on may be another machine's.
        super().__init__(settings, self._trial if fence is None else lambda: None, fence)

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
        self.delete(codec.shown(answer, "a rack", codec.rack))
        return ()

    def create(self, record: Record) -> Record:
        """Creates an object and gives it as it is now. Raises Gone when the rack or template of a device is gone."""
        match record:
            case Template():
                return self._create("templates", bodies.new_template(record), record)
            case Rack():
                return self._for_newer_api(
                    lambda: self._create("racks", bodies.new_rack(record, self.flavour()), record)
                )
            case Device():
                return self._create_device(record)

    def update(self, record: Record, changes: Mapping[str, object]) -> Record:
        """Changes fields of an object, in the model's names, and gives it as it is now. Raises Gone.

        Metadata and network details are replaced whole, a device's `details` field by field. The app saves the parts of
        a device one by one: after Refused or Unavailable some of it may have been done.
        """
        match record:
            case Template():
                body = bodies.changed_template(changes)
            case Rack():
                body = bodies.changed_rack(changes)
            case Device():
                body = bodies.changed_device(changes, self.flavour())
        return self._update(record, body)

    def delete(self, record: Record) -> None:
        """Deletes a template that no device uses, an empty rack, or a device; one that is gone already is fine."""
        try:
            self._http.delete(_path(record))
        except Refused as refusal:
            if not is_fault(refusal) or self._looked(refusal, lambda: self._now(record)) is not None:
                raise
            log.warning("Concertim answered a removal with an error, but it was done: %s", refusal)

    def _create_device(self, device: Device) -> Record:
        try:
            return self._for_newer_api(lambda: self._create("nodes", bodies.new_device(device, self.flavour()), device))
        except Refused as refusal:
            # For a rack that is gone the app has no 404 but a 500 of no particular kind.
            if refusal.status == INTERNAL_ERROR and self.rack(device.rack_id) is None:
                raise Gone(f"the rack of {device.name} is gone from Concertim", status=404) from None
            raise

    def _create(self, path: str, body: object, record: Record) -> Record:
        """POSTs, and once more only after a look has not found the object that a lost answer may have left.

        What has no id of ours can't be looked for and is not tried again.
        """
        look = (lambda: self._twin(record)) if record.openstack_id else None
        what, decode = self._codec(record)
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

    def _update(self, record: Record, body: object) -> Record:
        """PATCHes; when the answer cannot be used, the object as it is now.

        Raises Refused with the object as it was found after a 5xx.
        """
        what, decode = self._codec(record)
        try:
            answer = self._http.patch(_path(record), body)
        except Refused as refusal:
            if not is_fault(refusal):
                raise
            now = self._looked(refusal, lambda: self._now(record))
            if now is None:
                raise Gone(f"{what} is gone from Concertim", status=404) from None
            raise Refused(str(refusal), refusal.hint, refusal.status, now) from None
        try:
            return codec.shown(answer, what, decode)
        except UnexpectedAnswer:
            found = self._now(record)
            if found is None:
                raise Gone(f"{what} is gone from Concertim", status=404) from None
            return found

    def _found_after(self, refusal: Refused, look: Look | None) -> Record:
        """What a create has made that was answered by a 5xx. Raises the refusal when it has made nothing."""
        found = self._looked(refusal, look) if look else None
        if found is None:
            raise refusal
        log.warning("Concertim answered a creation with an error, but it was done: %s", refusal)
        return found

    def _looked(self, refusal: Refused, look: Look) -> Record | None:
        """What is there after a 5xx. Raises Unavailable when that can't be seen: then nobody knows what was done."""
        try:
            return look()
        except ConcertimError as error:
            text = f"{refusal}; whether it was done is not known ({error})"
            raise Unavailable(text, refusal.hint, refusal.status) from None

    def _trial(self) -> bool | None:
        """Whether the app can carry out a write: a few racks of ours are sent the name that they have.

        A few, since one of them may be just what makes the app fail.
        """
        try:
            racks = sorted((rack for rack in self.racks() if rack.stack_id), key=lambda rack: rack.id)
        except ConcertimError:
            return False
        if not racks:
            return None
        chosen = {rack.id: rack for rack in (racks[0], racks[len(racks) // 2], racks[-1])}.values()
        return any(
            self._http.is_able_to_patch(_path(rack), bodies.changed_rack({"name": rack.name})) for rack in chosen
        )

    def _codec(self, record: Record) -> tuple[str, Callable[[Json], Record]]:
        """What such an object is called in messages, and how an answer about it is read."""
        match record:
            case Template():
                return "a template", codec.template
            case Rack():
                return "a rack", codec.rack
            case Device():
                return "a device", self._device_codec()

    def _now(self, record: Record) -> Record | None:
        """The object as it is now; None when it is gone."""
        match record:
            case Template(id=template_id):
                return next((template for template in self.templates() if template.id == template_id), None)
            case Rack(id=rack_id):
                found = self.rack(rack_id)
                return found[0] if found else None
            case Device(id=device_id):
                return self.device(device_id)

    def _twin(self, record: Record) -> Record | None:
        """What is there already as `record` is to be.

        Neither a template's height nor a device's template can be changed: what differs in them is to be replaced.
        """
        match record:
            case Template():
                alike = (t for t in self.templates() if (t.foreign_id, t.height) == (record.foreign_id, record.height))
                return next(alike, None)
            case Rack():
                racks = (r for r in self.racks() if (r.stack_id, r.owner_id) == (record.stack_id, record.owner_id))
                return next(racks, None)
            case Device():
                found = self.rack(record.rack_id)
                held = found[1] if found else ()
                return next(
                    (d for d in held if d.object_id == record.object_id and d.template_id == record.template_id), None
                )


def is_fault(refusal: Refused) -> bool:
    """Whether the app failed, rather than refused: it may have done all of it, or some."""
    return refusal.status is not None and refusal.status >= INTERNAL_ERROR


def _path(record: Record) -> str:
    return path_of({Template: "templates", Rack: "racks", Device: "devices"}[type(record)], record.id)

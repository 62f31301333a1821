"""The client: reads Concertim and changes it, in the model's terms.

It has the rules of writing: what may be retried, how to recover from a lost response, and what a 5xx means.
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
"""The name of the rack whose creation must be rejected."""
PROVOKED = ("u_height ", "status ", "order_id ", "name ", "cluster_type")
"""The start of errors about the probe itself, which has no real cluster type."""
OVER_THE_LIMIT = re.compile(r"[^;]*\blimit of \d+ has been exceeded")
"""The app's error when its licence does not allow more (observed)."""

log = logging.getLogger(__name__)

Look = Callable[[], Record | None]
"""Looks up an object that a write may have created."""


class ConcertimClient(ConcertimReader):
    """Concertim's API. Thread-safe; a context manager that closes it.

    Every call raises ConcertimLoginError, Unavailable (no usable response in spite of retries), or Refused with the
    app's reason. Changes are retried only if they cannot be applied twice: after a lost response, a create first
    looks for the object by our id. With a `fence`, a write is sent only if the fence admits it (else Fenced).
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
        """Closes all connections. Calls waiting for a retry give up; requests in flight still end."""
        self._http.close()

    def end_retries(self) -> None:
        """Disables retries from now on; calls waiting for one give up."""
        self._http.retry_policy.end()

    @property
    def counts(self) -> Counts:
        """The number of reads, writes and logins sent so far."""
        return self._http.counts

    @property
    def clock_offset(self) -> float | None:
        """How many seconds the app's clock is ahead of this machine's, to half a second; None before a login."""
        return self._http.login.clock_offset

    def limit_met(self, owner: Owner) -> str:
        """The app's error if its licence does not allow another rack, else ""."""
        return next((match for match in self.complaints(owner) if OVER_THE_LIMIT.fullmatch(match)), "")

    def complaints(self, owner: Owner) -> tuple[str, ...]:
        """Why the app would reject any further rack, such as its licence's limit; empty if it would not.

        It says so only when it rejects a rack (observed). So this requests one that it rejects anyway: without height
        and status, and without an order id where there are orders. Its other errors are the result.
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
        """Creates an object and returns its current state. Raises Gone if the rack or template of a device is gone."""
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
        """Changes fields of an object, with the model's names, and returns its current state. Raises Gone.

        Metadata and network details are replaced as a whole, a device's `details` field by field. The app saves the
        parts of a device separately: after Refused or Unavailable, some may have been saved.
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
        """Deletes an unused template, an empty rack, or a device; it is no error if it is already gone."""
        try:
            self._http.delete(_path(record))
        except Refused as refusal:
            if not refusal.is_fault or self._looked(refusal, lambda: self._now(record)) is not None:
                raise
            log.warning("Concertim returned an error for a removal that succeeded: %s", refusal)

    def _create_device(self, device: Device) -> Record:
        try:
            return self._for_newer_api(lambda: self._create("nodes", bodies.new_device(device, self.flavour()), device))
        except Refused as refusal:
            # For a rack that is gone the app returns a generic 500 instead of a 404.
            if refusal.status == INTERNAL_ERROR and self.rack(device.rack_id) is None:
                raise Gone(f"the rack of {device.name} is gone from Concertim", status=404) from None
            raise

    def _create(self, path: str, body: object, record: Record) -> Record:
        """POSTs; retries only after a lookup has not found the object, which may exist in spite of a lost response.

        An object without our id cannot be looked up and is not retried.
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
                if refusal.is_fault:
                    return self._found_after(refusal, look)
                # "Taken" may be due to the first attempt, applied after our lookup.
                if not first and look and (found := look()):
                    return found
                raise
            if look is None or not self._http.retry_policy.pause(1, trouble):
                raise given_up(trouble, 1)
            if found := look():
                return found
        raise given_up(trouble, 2)

    def _for_newer_api(self, create: Callable[[], Record]) -> Record:
        """The result of `create`; if the app requires fields of the newer API, switches to that and retries."""
        try:
            return create()
        except Refused as refusal:
            with self._asking:
                if CREATION_TIME not in str(refusal) or self._is_configured or self._flavour is not ApiFlavour.TEAMS:
                    raise
                self._flavour, self._wants_creation_times = ApiFlavour.CREDITS, True
        return create()

    def _update(self, record: Record, body: object) -> Record:
        """PATCHes; returns the object, read again if the response is unusable.

        After a 5xx, raises Refused with the object's current state.
        """
        what, decode = self._codec(record)
        try:
            answer = self._http.patch(_path(record), body)
        except Refused as refusal:
            if not refusal.is_fault:
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
        """The object that a create has made in spite of a 5xx. Raises the error if there is none."""
        found = self._looked(refusal, look) if look else None
        if found is None:
            raise refusal
        log.warning("Concertim returned an error for a creation that succeeded: %s", refusal)
        return found

    def _looked(self, refusal: Refused, look: Look) -> Record | None:
        """The state after a 5xx. Raises Unavailable if it cannot be read: then the result is unknown."""
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
        """The existing object that equals the desired `record`.

        Neither a template's height nor a device's template can be changed: objects that differ there must be replaced.
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


def _path(record: Record) -> str:
    return path_of({Template: "templates", Rack: "racks", Device: "devices"}[type(record)], record.id)

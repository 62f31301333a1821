"""What must hold of every history.

Whatever happened in the cloud, to Concertim by hand, to the view or to a pass, one clean pass makes Concertim show the
cloud; a few more repair what only a full reading reveals. Then a pass posts nothing, with the view or without it, and
Concertim never had a reason to refuse anything. At no time does anything go that should be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from cos_update.concertim import retry
from cos_update.fakes import Sandbox
from cos_update.retry import Backoff
from tests.histories.broken import LostChange, NeedlessRefusal, WrongRemoval
from tests.histories.life import FAULTS, FULL_CLOUD_READ_EVERY, FULL_READ_EVERY, Draw, Life, rest
from tests.histories.listening import Broker, followed
from tests.integration.world import shown, wanted


def live(draw: Draw, folder: Path, broker: Broker | None = None) -> None:
    """One history, drawn by `draw`; with a `broker`, a listener may follow the cloud in any of its chapters.

    Raises one of the RULES, or whatever else went wrong.
    """
    with _begun(draw, folder) as life:
        disturbed = False
        for number in range(draw(st.integers(1, 3))):
            if broker is not None and draw(st.booleans()):
                disturbed = followed(life, broker, is_first=number == 0) or disturbed
            else:
                disturbed = _chapter(life) or disturbed
        for project in life.projects:
            life.cloud.watch(project)
        report = life.one_pass(full="at last")
        if (refusals := life.refusals()) and not disturbed:
            raise NeedlessRefusal(refusals)
        if shown(life.world.actual()) != wanted(life.world.desired()):
            both = {"shown": shown(life.world.actual()), "wanted": wanted(life.world.desired())}
            raise LostChange(f"{both} {report}")
        for _ in range(FULL_READ_EVERY):
            life.one_pass()
        rest(life)
        (life.world.data_dir / "view.pickle").unlink()
        if life.world.concertim.state.unstored:
            life.one_pass()  # what is not stored is found out anew
        rest(life)


def live_followed(draw: Draw, folder: Path, broker: Broker) -> None:
    """A history of one chapter, in which a listener follows the cloud. Raises as `live` does."""
    with _begun(draw, folder) as life:
        is_disturbed = followed(life, broker, is_first=True)
        if (refusals := life.refusals()) and not is_disturbed:
            raise NeedlessRefusal(refusals)


@contextmanager
def _begun(draw: Draw, folder: Path) -> Iterator[Life]:
    retry.BACKOFF = Backoff(0.01, 10.0)
    life = Life(draw, folder)
    with Sandbox(life.world.openstack, life.world.concertim):
        life.world.add_owners()
        life.world.configure(full_read_every=FULL_READ_EVERY, full_cloud_read_every=FULL_CLOUD_READ_EVERY)
        life.cloud.neutron_validates_filters = draw(st.booleans())
        yield life


def _chapter(life: Life) -> bool:
    """Some things happen, and a pass; tells whether something disturbed that."""
    draw = life.draw
    for _ in range(draw(st.integers(1, 5))):
        life.something_happens()
    for _ in range(draw(st.integers(0, 3))):
        life.something_is_done_by_hand()
    if draw(st.integers(0, 3)) == 0:
        life.put_back_an_old_view()
    if draw(st.integers(0, 3)) == 0:
        life.skew_clocks()
    noted = life.notes_of_hand()
    before = shown(life.world.actual()).keys()
    faults = draw(st.lists(FAULTS, max_size=2))
    for where, fault in faults:
        getattr(life.world, where).wire.faults.add(fault)
    if is_left_alone := draw(st.integers(0, 3)) != 0:
        life.one_pass()
    else:
        life.program_pass()
    for side in (life.world.openstack, life.world.concertim):
        side.wire.faults.clear()
    life.keep_the_view()
    if is_left_alone and not any(where == "concertim" for where, _ in faults):
        # By changes or in full: nothing goes that should be there.
        lost = before - shown(life.world.actual()).keys()
        if wrong := lost & (wanted(life.world.desired()).keys() | life.held()):
            raise WrongRemoval(wrong)
    if not noted & set(life.world.concertim.state.devices) <= life.notes_of_hand():
        raise LostChange("a note of somebody else's")
    return bool(faults) or not is_left_alone

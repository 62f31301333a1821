"""Duplicates, objects that are not ours, and objects that a filtered response omits."""

from __future__ import annotations

from world import Pass, World, shown, wanted

from cos_update.fakes.wire import Fault, FaultKind
from cos_update.model.exit_codes import ExitCode
from cos_update.planning.plan import NoticeKind
from cos_update.store import ViewStore
from cos_update.sync import reconciler


def _rack(world: World, name: str):  # type: ignore[no-untyped-def]
    return next(rack for rack in world.concertim.state.racks.values() if rack.name == name)


def test_two_devices_for_one_server_become_one(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    rack = _rack(world, "growing")
    first = next(d for d in state.devices_of(rack) if d.name == "growing-0")
    template = state.templates[first.template_id]
    state.add_device(rack, "double", template, 30, metadata=dict(first.metadata))
    report = one_pass()
    ids = [d.metadata.get("openstack_instance_id") for d in state.devices_of(rack)]
    assert len(ids) == len(set(ids))
    assert NoticeKind.DUPLICATE in {notice.kind for notice in report.notices}
    assert one_pass().outcomes == ()


def test_a_device_in_the_wrong_rack_comes_home(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    wrong, right = _rack(world, "groups"), _rack(world, "growing")
    device = next(d for d in state.devices_of(right) if d.name == "growing-0")
    server_id = device.metadata["openstack_instance_id"]
    state.add_device(wrong, "astray", state.templates[device.template_id], 30, metadata=dict(device.metadata))
    del state.devices[device.id]
    one_pass()
    assert shown(world.actual())[server_id][0] == right.metadata["openstack_stack_id"]
    assert shown(world.actual()) == wanted(world.desired())


def test_a_rack_with_a_foreign_device_is_emptied_of_ours_and_kept(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    rack = _rack(world, "growing")
    foreign = state.add_device(rack, "mine", state.add_template("by hand", 1), 40)
    stack = next(s for s in world.cloud.stacks.values() if s.name == "growing")
    world.cloud.delete_stack(stack)
    report = one_pass()
    assert [device.id for device in state.devices_of(rack)] == [foreign.id]
    assert NoticeKind.SHARED_RACK in {notice.kind for notice in report.notices}


def test_a_template_stays_until_its_last_device_is_gone(world: World, one_pass: Pass) -> None:
    one_pass()
    state = world.concertim.state
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node1")
    flavor = world.cloud.flavors[server.flavor.id]
    users = [s for s in world.cloud.servers.values() if s.flavor.id == flavor.id]
    world.cloud.delete_flavor(flavor)
    one_pass()
    assert flavor.id in {t.foreign_id for t in state.templates.values()}
    for user in users:
        world.cloud.delete_server(user)
    one_pass(allow_deletes=True)
    assert flavor.id not in {t.foreign_id for t in state.templates.values()}


def test_a_heat_that_lists_only_a_part_removes_nothing(world: World, one_pass: Pass) -> None:
    one_pass()
    before = set(world.concertim.state.devices)
    groups = [s for s in world.cloud.stacks.values() if s.parent_id is not None]
    assert groups
    for stack in groups:
        stack.resources = type(stack.resources)()
    one_pass(allow_deletes=True)
    assert set(world.concertim.state.devices) == before


def test_the_view_is_saved_while_a_long_pass_is_posting(world: World, one_pass: Pass, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(reconciler, "SAVE_EVERY", 0.0)
    saved = []
    save = ViewStore.save
    monkeypatch.setattr(
        ViewStore, "save", lambda store, view: (saved.append(len(view.actual.devices)), save(store, view))[1]
    )
    one_pass()
    assert len(saved) > 10
    assert saved[5] < saved[-1]


def test_refusals_of_one_project_leave_the_other_in_step(world: World, one_pass: Pass) -> None:
    one_pass()
    project = next(p for p in world.cloud.projects_of(world.cloud.watcher.id) if p.name == "CM_team_b")
    world.openstack.wire.faults.add(Fault(FaultKind.STATUS, path=f"/{project.id}/stacks", code=503))
    server = next(s for s in world.cloud.servers.values() if s.name == "alpha-node1")
    world.cloud.set_server_state(server, "stopped")
    before = set(world.concertim.state.devices)
    report = one_pass(allow_deletes=True)
    assert shown(world.actual())[server.id][1] == "STOPPED"
    assert set(world.concertim.state.devices) == before
    assert report.exit_code is ExitCode.IN_PART


def test_an_admin_who_is_not_the_watcher_may_confirm_what_is_gone(world: World) -> None:
    world.configure("admin")
    config = world.folder / "config.yaml"
    admin = world.cloud.admin
    text = config.read_text().replace("  username: concertim", f"  username: {admin.name}")
    config.write_text(text.replace("  password: concertim", f"  password: {admin.password}"))
    world.bulk()
    server = next(s for s in world.cloud.servers.values() if s.name == "beta-node2")
    world.cloud.delete_server(server)
    world.bulk()
    assert server.id not in shown(world.actual())


def test_a_server_that_was_soft_deleted_is_shown_so_though_nova_does_not_list_it(world: World, one_pass: Pass) -> None:
    one_pass()
    server = next(s for s in world.cloud.servers.values() if s.name == "beta-node2")
    world.cloud.set_server_state(server, "soft-delete")
    for view in ("with", "without"):
        if view == "without":
            (world.data_dir / "view.pickle").unlink()
        world.concertim.wire.reset()
        assert one_pass().exit_code is ExitCode.DONE
        assert shown(world.actual())[server.id][1] == "IN_PROGRESS"
        assert len(world.writes()) == (view == "with")
    world.cloud.delete_server(server)
    one_pass()
    assert server.id not in shown(world.actual())

"""The statuses in Concertim of all OpenStack states: the complete tables."""

from __future__ import annotations

import pytest
from builders import network, server, stack, volume

from cos_update.planning.states import (
    network_status,
    origin_state,
    server_status,
    stack_status,
    unknown_word,
    volume_status,
)

SERVER = {
    "ACTIVE": "active rescued resized",
    "STOPPED": "stopped shelved shelved_offloaded",
    "SUSPENDED": "suspended paused",
    "IN_PROGRESS": "building soft-delete deleted",
    "FAILED": "error",
}
STACK = {
    "ACTIVE": "CREATE_COMPLETE UPDATE_COMPLETE RESUME_COMPLETE CHECK_COMPLETE ADOPT_COMPLETE SNAPSHOT_COMPLETE "
    "RESTORE_COMPLETE ROLLBACK_COMPLETE INIT_COMPLETE",
    "STOPPED": "SUSPEND_COMPLETE",
    "FAILED": "CREATE_FAILED UPDATE_FAILED DELETE_FAILED SUSPEND_FAILED ROLLBACK_FAILED",
    "IN_PROGRESS": "CREATE_IN_PROGRESS DELETE_IN_PROGRESS SUSPEND_IN_PROGRESS DELETE_COMPLETE",
}
VOLUME = {
    "ACTIVE": "in-use",
    "AVAILABLE": "available",
    "FAILED": "error error_deleting error_backing-up error_restoring error_extending error_managing",
    "IN_PROGRESS": "creating reserved attaching detaching maintenance deleting awaiting-transfer backing-up "
    "restoring-backup downloading uploading retyping extending",
}
NETWORK = {"ACTIVE": "ACTIVE", "STOPPED": "DOWN", "IN_PROGRESS": "BUILD", "FAILED": "ERROR"}
KINDS = {
    "server": (server_status, lambda word: server(vm_state=word), SERVER),
    "stack": (stack_status, lambda word: stack("s1", status=word).stack, STACK),
    "volume": (volume_status, lambda word: volume(status=word), VOLUME),
    "network": (network_status, lambda word: network(status=word), NETWORK),
}


@pytest.mark.parametrize(
    ("kind", "word", "status"),
    [
        pytest.param(kind, word, status, id=f"a {kind} in {word} is {status}")
        for kind, (_, _, table) in KINDS.items()
        for status, words in table.items()
        for word in words.split()
    ],
)
def test_every_state_has_its_status(kind: str, word: str, status: str) -> None:
    status_of, made, _ = KINDS[kind]
    item = made(word)
    assert status_of(item) == status
    assert unknown_word(item) is None
    assert origin_state(item) == word


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("word", "status"),
    [
        pytest.param("hibernating", "IN_PROGRESS", id="an unknown word is in progress"),
        pytest.param("odd_Error", "FAILED", id="an unknown word that says error has failed"),
    ],
)
def test_an_unknown_word_is_guessed_and_reported(kind: str, word: str, status: str) -> None:
    status_of, made, _ = KINDS[kind]
    assert status_of(made(word)) == status
    assert unknown_word(made(word)) == word


@pytest.mark.parametrize(
    ("state", "task", "status"),
    [
        pytest.param("active", "rebooting", "IN_PROGRESS", id="a task that changes the server: in progress"),
        pytest.param("stopped", "powering-on", "IN_PROGRESS", id="of a stopped server too"),
        pytest.param("error", "deleting", "FAILED", id="an error stays one, whatever the task"),
        *(
            pytest.param("active", task, "ACTIVE", id=f"{task} changes nothing")
            for task in [
                "image_snapshot",
                "image_snapshot_pending",
                "image_pending_upload",
                "image_uploading",
                "image_backup",
                "updating_password",
            ]
        ),
    ],
)
def test_a_task_shows_when_it_changes_what_the_server_is(state: str, task: str, status: str) -> None:
    assert server_status(server(vm_state=state, task_state=task)) == status

"""Poison messages are kept within bounds, and never harm the consumer."""

from __future__ import annotations

import base64
import json
import logging
import stat

import pytest

from cos_update.listener import dead_letters as module
from cos_update.listener.dead_letters import LARGEST_BODY, Quarantine


@pytest.fixture
def quarantine(tmp_path):
    return Quarantine(tmp_path, clock=lambda: 1_700_000_000.0)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_message_is_kept_with_where_it_came_from_and_why_it_is_here(quarantine):
    quarantine.put(b"\xff{", "not UTF-8", exchange="nova", routing_key="notifications.info")
    assert lines(quarantine.path) == [
        {
            "time": "2023-11-14T22:13:20+00:00",
            "reason": "not UTF-8",
            "exchange": "nova",
            "routing_key": "notifications.info",
            "size": 2,
            "body": base64.b64encode(b"\xff{").decode(),
        }
    ]
    assert quarantine.count == 1


def test_a_large_body_and_a_long_reason_are_cut(quarantine):
    quarantine.put(b"x" * 5_000_000, "r" * 5_000_000)
    (line,) = lines(quarantine.path)
    assert line["size"] == 5_000_000
    assert base64.b64decode(line["body"]) == b"x" * LARGEST_BODY
    assert len(line["reason"]) == 1000


def test_only_we_may_read_it_for_payloads_carry_secrets(quarantine):
    quarantine.path.touch(0o644)
    quarantine.put(b"token", "why")
    assert stat.S_IMODE(quarantine.path.stat().st_mode) == 0o600


def test_the_file_and_its_predecessor_stay_within_the_limit(tmp_path):
    quarantine = Quarantine(tmp_path, limit=10_000)
    for number in range(500):
        quarantine.put(b"%d" % number, "why")
    kept = sorted(tmp_path.iterdir())
    assert [path.name for path in kept] == ["quarantine.jsonl", "quarantine.jsonl.1"]
    assert sum(path.stat().st_size for path in kept) <= 10_000
    numbers = [int(base64.b64decode(line["body"])) for path in reversed(kept) for line in lines(path)]
    assert numbers == list(range(500 - len(numbers), 500))


def test_what_cannot_be_written_is_said_once_until_it_can(tmp_path, caplog):
    folder = tmp_path / "gone"
    quarantine = Quarantine(folder)
    for _ in range(3):
        quarantine.put(b"body", "why")
    folder.mkdir()
    quarantine.put(b"body", "why")
    assert len(lines(quarantine.path)) == 1
    quarantine.path.unlink()
    folder.rmdir()
    quarantine.put(b"body", "why")
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "No such file or directory" in caplog.text
    assert quarantine.count == 5


def test_half_a_line_on_a_full_disk_does_not_spoil_the_next(quarantine, monkeypatch, caplog):
    quarantine.put(b"first", "why")
    write = module.os.write
    monkeypatch.setattr(module.os, "write", lambda handle, line: write(handle, line[:10]))
    quarantine.put(b"second", "why")
    monkeypatch.undo()
    quarantine.put(b"third", "why")
    assert [base64.b64decode(line["body"]) for line in lines(quarantine.path)] == [b"first", b"third"]
    assert "only 10 of" in caplog.text


def test_a_link_in_its_place_is_not_followed(quarantine, tmp_path):
    target = tmp_path / "target"
    quarantine.path.symlink_to(target)
    quarantine.put(b"body", "why")
    assert not target.exists()

"""Poison messages are kept within a size limit, and never harm the consumer."""

from __future__ import annotations

import base64
import json
import logging
import stat

import pytest

from cos_update.listener import dead_letters as module
from cos_update.listener.dead_letters import LARGEST_BODY, DeadLetters


@pytest.fixture
def dead_letters(tmp_path):
    return DeadLetters(tmp_path, clock=lambda: 1_700_000_000.0)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_message_is_kept_with_where_it_came_from_and_why_it_is_here(dead_letters):
    dead_letters.put(b"\xff{", "not UTF-8", exchange="nova", routing_key="notifications.info")
    assert lines(dead_letters.path) == [
        {
            "time": "2023-11-14T22:13:20+00:00",
            "reason": "not UTF-8",
            "exchange": "nova",
            "routing_key": "notifications.info",
            "size": 2,
            "body": base64.b64encode(b"\xff{").decode(),
        }
    ]
    assert dead_letters.count == 1


def test_a_large_body_and_a_long_reason_are_cut(dead_letters):
    dead_letters.put(b"x" * 5_000_000, "r" * 5_000_000)
    (line,) = lines(dead_letters.path)
    assert line["size"] == 5_000_000
    assert base64.b64decode(line["body"]) == b"x" * LARGEST_BODY
    assert len(line["reason"]) == 1000


def test_only_we_may_read_it_for_payloads_carry_secrets(dead_letters):
    dead_letters.path.touch(0o644)
    dead_letters.put(b"token", "why")
    assert stat.S_IMODE(dead_letters.path.stat().st_mode) == 0o600


def test_the_file_and_its_predecessor_stay_within_the_limit(tmp_path):
    dead_letters = DeadLetters(tmp_path, limit=10_000)
    for number in range(500):
        dead_letters.put(b"%d" % number, "why")
    kept = sorted(tmp_path.iterdir())
    assert [path.name for path in kept] == ["quarantine.jsonl", "quarantine.jsonl.1"]
    assert sum(path.stat().st_size for path in kept) <= 10_000
    numbers = [int(base64.b64decode(line["body"])) for path in reversed(kept) for line in lines(path)]
    assert numbers == list(range(500 - len(numbers), 500))


def test_what_cannot_be_written_is_reported_once_until_it_can(tmp_path, caplog):
    folder = tmp_path / "gone"
    dead_letters = DeadLetters(folder)
    for _ in range(3):
        dead_letters.put(b"body", "why")
    folder.mkdir()
    dead_letters.put(b"body", "why")
    assert len(lines(dead_letters.path)) == 1
    dead_letters.path.unlink()
    folder.rmdir()
    dead_letters.put(b"body", "why")
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "No such file or directory" in caplog.text
    assert dead_letters.count == 5


def test_half_a_line_on_a_full_disk_does_not_spoil_the_next(dead_letters, monkeypatch, caplog):
    dead_letters.put(b"first", "why")
    write = module.os.write
    monkeypatch.setattr(module.os, "write", lambda handle, line: write(handle, line[:10]))
    dead_letters.put(b"second", "why")
    monkeypatch.undo()
    dead_letters.put(b"third", "why")
    assert [base64.b64decode(line["body"]) for line in lines(dead_letters.path)] == [b"first", b"third"]
    assert "only 10 of" in caplog.text


def test_a_link_in_its_place_is_not_followed(dead_letters, tmp_path):
    target = tmp_path / "target"
    dead_letters.path.symlink_to(target)
    dead_letters.put(b"body", "why")
    assert not target.exists()

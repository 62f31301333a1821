"""The stand-ins in a process of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import requests


def test_it_tells_where_it_serves_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "cos_update.sandbox", "--team", "t1=p1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            concertim = json.loads(process.stdout.readline())["concertim"]
            login = {"user": {"login": concertim["username"], "password": concertim["password"]}}
            answer = requests.post(f"{concertim['url']}/users/sign_in.json", json=login, timeout=5)
            headers = {"Authorization": answer.headers["Authorization"], "Accept": "application/json"}
            teams = requests.get(f"{concertim['url']}/api/v1/teams", headers=headers, timeout=5).json()
            assert [(team["name"], team["project_id"]) for team in teams] == [("t1", "p1")]
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()

"""The inputs of the images agree with the project, and the two Dockerfiles with each other."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from cos_update import __version__
from cos_update.cli.entrypoint import GID, UID

ROOT = Path(__file__).parents[2]
NAMES = {"bulk": "Dockerfile.updates_bulk", "listen": "Dockerfile.updates_mq"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lines(command: str) -> list[str]:
    return (ROOT / "Dockerfiles" / NAMES[command]).read_text().splitlines()


def argument(command: str, instruction: str) -> list[str]:
    """The last JSON array of that instruction: its exec form."""
    found = [line for line in lines(command) if line.startswith(f"{instruction} ")]
    array = re.search(r"\[.*\]$", found[-1])
    assert array is not None, "not in exec form"
    return [str(word) for word in json.loads(array.group())]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("command", NAMES)
def test_an_image_runs_its_command_as_process_1_and_asks_after_it(command: str) -> None:
    assert argument(command, "ENTRYPOINT") + argument(command, "CMD") == ["cos-update-entrypoint", command]
    assert argument(command, "HEALTHCHECK") == ["cos-update", "health", command]


@pytest.mark.parametrize("command", NAMES)
def test_an_image_starts_as_root_and_has_the_user_that_it_goes_on_as(command: str) -> None:
    assert "USER 0:0" in lines(command)
    assert f"groupadd --gid {GID} " in "\n".join(lines(command))
    assert f"useradd --uid {UID} --gid {GID} " in "\n".join(lines(command))


@pytest.mark.parametrize("command", NAMES)
def test_an_image_says_the_version_of_the_program(command: str) -> None:
    assert f"ARG BUILD_VERSION={__version__}" in lines(command)


@pytest.mark.parametrize(
    ("label", "arguments"),
    [
        ("version", ("VERSION", "BUILD_VERSION")),
        ("revision", ("REVISION", "BUILD_REVISION")),
        ("created", ("CREATED", "BUILD_DATE")),
    ],
)
@pytest.mark.parametrize("command", NAMES)
def test_the_build_arguments_have_two_names_each(command: str, label: str, arguments: tuple[str, str]) -> None:
    ours, handlers = arguments
    text = "\n".join(lines(command))
    assert f"ARG {ours}=${handlers}\n" in text
    assert f'org.opencontainers.image.{label}="${ours}"' in text


@pytest.mark.parametrize("command", NAMES)
def test_the_documented_build_gives_the_name_without_a_tag_too(command: str) -> None:
    [build] = [line for line in lines(command) if "docker build" in line]
    tags = re.findall(r"--tag (\S+)", build)
    assert tags == [tags[0], f"{tags[0]}:<version>"]


def test_the_images_differ_in_nothing_but_what_they_do() -> None:
    shared = []
    for command in NAMES:
        text = lines(command)
        shared.append(text[text.index("") : text.index("# What this one does")])
    assert len(shared[0]) > 20
    assert shared[0] == shared[1]


def test_the_images_install_every_dependency_at_a_version_that_the_project_admits() -> None:
    locked = {}
    for line in (ROOT / "Dockerfiles" / "requirements.txt").read_text().splitlines():
        if found := re.match(r"([\w.-]+)==(\d+(?:\.\d+)*)", line):
            locked[normal(found[1])] = tuple(map(int, found[2].split(".")))
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["metrics"]]
    for requirement in wanted:
        name, least = requirement.split(">=")
        assert locked[normal(name)] >= tuple(map(int, least.split(".")))

"""The README agrees with the program: its generated parts, and the order in which a reader needs them."""

from __future__ import annotations

import re

from tests.reference import README, renewed

TEXT = README.read_text()


def test_keys_commands_and_exit_codes_are_those_of_the_program() -> None:
    assert renewed(TEXT) == TEXT, "regenerate it: python -m tests.reference"


def test_the_pages_stand_in_the_order_in_which_they_are_needed() -> None:
    assert re.findall(r"^## (.*)$", TEXT, re.MULTILINE) == [
        "Try",
        "Install",
        "Configure",
        "Run",
        "Replace existing handlers",
        "More than one machine",
        "Commands",
        "Troubleshooting",
        "The view",
        "Upgrade and uninstall",
        "Develop",
    ]


def test_the_first_two_shell_blocks_are_short() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    assert max(len(block.splitlines()) for block in blocks) <= 3


def test_every_link_within_the_page_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= headings

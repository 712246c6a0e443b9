"""Whether a window can be opened is known before Qt would end the process."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from tidegate.desktop.display import display_problem

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are asked for on Linux only")


def test_no_display_is_one_sentence():
    assert display_problem({}) == "There is no display here: neither DISPLAY nor WAYLAND_DISPLAY is set."


def test_an_offscreen_platform_needs_none():
    assert display_problem({"QT_QPA_PLATFORM": "offscreen:size=10x10"}) is None


@pytest.mark.parametrize("display", [":4711", "garbage", ":99999999999"])
def test_a_display_that_does_not_answer_is_named(display):
    assert display_problem({"DISPLAY": display}) == f"The display {display} does not answer."


def test_a_wayland_display_that_answers_is_enough(tmp_path):
    address = os.path.join(tmp_path, "wayland-0")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        environ = {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(tmp_path)}
        assert display_problem(environ) is None
    assert display_problem({**environ, "WAYLAND_DISPLAY": "wayland-1"}) is not None

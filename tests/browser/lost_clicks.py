"""A click on a button that a run has just drawn anew is lost, in a test as for a person, who clicks again."""

from __future__ import annotations

import contextlib

from playwright.sync_api import Locator, expect


def press(button: Locator, shows: Locator) -> None:
    """Click until the page answers."""
    for _ in range(5):
        button.click()
        with contextlib.suppress(AssertionError):
            expect(shows).to_be_visible(timeout=8_000)
            return
    expect(shows).to_be_visible()

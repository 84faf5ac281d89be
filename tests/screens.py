"""What both pages must do in a browser."""

from typing import Any


def stays_sharp(page: Any, expect: Any) -> None:
    """Check that the paper has the pixels of each screen that it is moved to; ``expect`` is Playwright's."""
    client, paper = page.context.new_cdp_session(page), page.locator("#paper")
    sides = set()
    for ratio in (1, 2, 3):  # without another width this emulation tells no media query; the paper's stays
        metrics = {"width": 1280 + ratio, "height": 900, "deviceScaleFactor": ratio, "mobile": False}
        client.send("Emulation.setDeviceMetricsOverride", metrics)
        page.wait_for_timeout(300)
        sides.add(side := paper.evaluate("paper => paper.clientWidth"))
        expect(paper).to_have_js_property("width", ratio * side, timeout=20_000)
    assert len(sides) == 1

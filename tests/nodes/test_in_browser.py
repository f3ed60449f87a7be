"""The pack in ComfyUI's own front end: in a browser, by clicks."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workflow_form import to_api

pytest.importorskip("playwright", reason="playwright is not installed (pip install catvton-native[test])")
from browser import FrontEnd, chromium, launched

ROOT = Path(__file__).resolve().parents[2]
PACK = "catvton-native"
WORKFLOWS = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
WITHOUT_THUMBNAIL = {"mask_free"}  # it needs weights to make one
SEEN = 160
UNKNOWN = {
    "nodes": [
        {"id": 1, "type": "NobodyHasThis", "pos": [0, 0], "size": [200, 100], "mode": 0, "flags": {}, "order": 0}
    ],
    "links": [],
    "version": 0.4,
}
pytestmark = pytest.mark.skipif(not chromium(), reason="no chromium here (Debian: apt install chromium)")


@pytest.fixture(scope="module")
def address(server):
    if server.front_end.name != "static":
        pytest.skip("no front end in .venv-comfy: scripts/comfyui_environment.py installs it")
    return server.address


@pytest.fixture(scope="module")
def browser(address):
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser, address):
    with FrontEnd(browser, address) as page:
        yield page


def saved(name):
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))


def about_us(errors):
    """What is not the front end's own. A thumbnail that is not there is asked for all the same."""
    absent = tuple(f"{name}.jpg)" for name in WITHOUT_THUMBNAIL)
    return [error for error in errors if PACK in error and not error.endswith(absent)]


def correlation(picture, seen):
    """How well a picture is found in what is seen, at the best place and size: 1 where it is there.

    Both shrunk to SEEN rows: a size in two steps of one row is found well enough, in a tenth of the time.
    """
    from skimage.feature import match_template

    seen = np.asarray(seen.convert("L").resize((round(seen.width * SEEN / seen.height), SEEN)), float)
    best = 0.0
    for height in range(SEEN // 2, SEEN):
        width = round(picture.width * height / picture.height)
        if width < seen.shape[1]:
            best = max(
                best, match_template(seen, np.asarray(picture.resize((width, height)).convert("L"), float)).max()
            )
    return best


def test_the_template_browser_offers_every_workflow_with_its_thumbnail(page):
    assert sorted(page.browse_templates(PACK)) == WORKFLOWS
    for name in set(WORKFLOWS) - WITHOUT_THUMBNAIL:
        card = page.page.get_by_test_id(f"template-workflow-{name}")
        card.scroll_into_view_if_needed()  # only then is it loaded
        shown = card.locator("img").first.element_handle()
        page.page.wait_for_function("picture => picture.naturalWidth > 0", arg=shown)
        size = shown.evaluate("picture => [picture.naturalWidth, picture.naturalHeight]")
        assert tuple(size) == Image.open(ROOT / "workflows" / f"{name}.jpg").size


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_template_opens_and_is_what_we_say_it_is(page, info, name):
    """By the front end's own conversion, which is not ours."""
    page.errors.clear()
    page.open_template(PACK, name)
    assert page.problems() == []
    assert about_us(page.errors) == []
    assert page.prompt() == to_api(saved(name), info)


def test_run_makes_a_picture_that_is_seen_in_its_node(server, page):
    page.open_template(PACK, "try_on_basic")
    empty = Image.open(io.BytesIO(page.screenshot(node="SaveImage")))
    run = page.run()
    assert run.status == "success", run.seen
    assert len(run.images) == 1
    result = Image.open(io.BytesIO(server.get("/view", **run.images[0])))
    page.wait_for_pictures()
    seen = Image.open(io.BytesIO(page.screenshot(node="SaveImage")))
    assert correlation(result, empty) < 0.5
    assert correlation(result, seen) > 0.95
    assert page.problems() == []
    assert about_us(page.errors) == []


def test_run_makes_pictures_that_are_seen_where_nodes_are_html(browser, address):
    """Nodes 2.0: the mask over the person, and the result."""
    with FrontEnd(browser, address, nodes_2=True) as page:
        page.open_template(PACK, "mask_by_category")
        assert page.problems() == []
        run = page.run()
        assert run.status == "success", run.seen
        assert [file["type"] for file in run.images] == ["temp", "output"]
        for file in run.images:
            shown = page.page.locator(f"[data-node-id] img[src*='{file['filename']}']").first
            shown.wait_for(state="visible")
            page.page.wait_for_function("picture => picture.naturalWidth > 0", arg=shown.element_handle())
        assert page.problems() == []
        assert about_us(page.errors) == []


def test_a_node_that_is_missing_would_have_been_seen(browser, address):
    """The tests above could not fail otherwise."""
    with FrontEnd(browser, address) as page:
        page.load(UNKNOWN, "unknown")
        assert "NobodyHasThis" in page.problems()

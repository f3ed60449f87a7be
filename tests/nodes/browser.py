"""ComfyUI's own front end in the system's Chromium, used as a person uses it: templates are clicked, Run is pressed.

What the front end calls by a `data-testid` is found by it; what it keeps of a workflow is asked of `window.app`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

PROGRAMS = "chromium", "chromium-browser", "google-chrome"
FLAGS = ["--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 30_000  # milliseconds, for a busy machine
# Of a visitor who has been here before: no tutorial, and no map over the nodes.
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False}
LISTEN = """() => { window.seen = []; for (const kind of
  ['execution_success', 'execution_error', 'execution_interrupted', 'executed'])
  window.app.api.addEventListener(kind, event => window.seen.push([kind, event.detail])); }"""
READY = "() => window.app?.graph && window.app.extensionManager && document.querySelector('canvas')"
ACTIVE = "window.app.extensionManager.workflow.activeWorkflow"
# One that is open already is opened beside it, as "name (2)".
OPENED = f"name => {ACTIVE} != window.before && {ACTIVE}?.filename.startsWith(name)"
# Unknown types stay in the graph, and are announced by a dialog or, in newer front ends, by an overlay.
PROBLEMS = """() => [
  ...window.app.graph._nodes.map(node => node.type).filter(type => !(type in window.LiteGraph.registered_node_types)),
  ...[...document.querySelectorAll('[role=dialog], [data-testid=error-overlay]')].map(shown => shown.innerText)]"""
LOADED = """() => [...document.images, ...window.app.graph._nodes.flatMap(node => node.imgs ?? [])]
  .every(picture => picture.complete)"""
BOX = """type => {
  const node = window.app.graph._nodes.find(node => node.type == type), {scale, offset} = window.app.canvas.ds;
  const canvas = window.app.canvas.canvas.getBoundingClientRect();
  return [canvas.x + (node.pos[0] + offset[0]) * scale, canvas.y + (node.pos[1] + offset[1]) * scale,
    node.size[0] * scale, node.size[1] * scale]; }"""


def chromium() -> str | None:
    """The system's Chromium, if there is one."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@dataclass
class Finished:
    status: str  # success, error or interrupted
    images: list[dict]  # filename, subfolder and type of each, as /view takes them
    seen: list  # the events


@contextmanager
def launched() -> Iterator[Browser]:
    """The system's Chromium, without a window. One at a time."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium(), args=FLAGS)


class FrontEnd:
    """`with FrontEnd(browser, address) as page`: host:port of a server that has the real front end.

    nodes_2: its newer way to show nodes, as HTML instead of on a canvas. size: of the window, width and height.
    settings: other settings of the front end, by their names there.
    errors: what the page wrote to the console as an error, with the address it is about, since it was opened.
    """

    def __init__(
        self,
        browser: Browser,
        address: str,
        nodes_2: bool = False,
        size: tuple[int, int] = (1600, 950),
        **settings: object,
    ):
        self.browser, self.url, self.size = browser, f"http://{address}", size
        self.settings = SETTINGS | {"Comfy.VueNodes.Enabled": nodes_2} | settings
        self.errors: list[str] = []

    def __enter__(self) -> FrontEnd:
        width, height = self.size
        self.context = self.browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
        try:
            self._open(self.context)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.context.close()

    def _open(self, context: BrowserContext) -> None:
        context.set_default_timeout(PATIENCE)
        # Nothing outside this machine is asked: it would be another test with every day.
        context.route(lambda url: url.startswith("http") and not url.startswith(self.url), lambda route: route.abort())
        for name, value in self.settings.items():
            headers = {"Content-Type": "application/json"}
            context.request.post(f"{self.url}/api/settings/{name}", data=json.dumps(value), headers=headers)
        self.page: Page = context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(self.url, wait_until="domcontentloaded")
        self.page.wait_for_function(READY)
        self.page.wait_for_function("() => window.app.graph._nodes.length")  # the workflow that it starts with
        self.page.evaluate(LISTEN)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    @property
    def version(self) -> str:
        return self.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__")

    def browse_templates(self, pack: str) -> list[str]:
        """Opens the template browser at a pack's; their names."""
        if not self.page.get_by_test_id("template-workflows-content").is_visible():
            self.page.get_by_role("button", name="Templates").first.click()
        self.page.get_by_role("dialog").get_by_text(pack, exact=True).first.click()
        cards = self.page.locator("[data-testid^=template-workflow-]")
        cards.first.wait_for()
        return [card.get_attribute("data-testid").removeprefix("template-workflow-") for card in cards.all()]

    def open_template(self, pack: str, name: str) -> None:
        self.browse_templates(pack)
        self.page.evaluate(f"() => {{ window.before = {ACTIVE} }}")
        self.page.get_by_test_id(f"template-workflow-{name}").click()
        self.page.wait_for_function(OPENED, arg=name)
        self.page.get_by_test_id("template-workflows-content").wait_for(state="hidden")
        self.page.wait_for_timeout(500)  # what is wrong is announced after the workflow is open

    def load(self, form: dict, name: str) -> None:
        """Opens a workflow that is no template."""
        self.page.evaluate("([form, name]) => window.app.loadGraphData(form, true, true, name)", [form, name])
        self.page.wait_for_timeout(500)

    def problems(self) -> list[str]:
        """Types of nodes that are missing, and the texts of dialogs and of the error overlay."""
        return self.page.evaluate(PROBLEMS)

    def prompt(self) -> dict:
        """What Run would send to the server: the front end's own conversion, without the titles."""
        made = self.page.evaluate("async () => (await window.app.graphToPrompt()).output")
        return {number: {key: node[key] for key in ("class_type", "inputs")} for number, node in made.items()}

    def run(self) -> Finished:
        """Presses Run and waits for the end."""
        self.page.evaluate("() => { window.seen.length = 0 }")
        self.page.get_by_test_id("queue-button").first.click()
        self.page.wait_for_function(
            "() => window.seen.some(([kind]) => kind.startsWith('execution_'))", timeout=10 * PATIENCE
        )
        seen = self.page.evaluate("() => window.seen")
        status = next(kind for kind, _ in seen if kind.startswith("execution_")).removeprefix("execution_")
        executed = [data for kind, data in seen if kind == "executed"]
        return Finished(status, [file for data in executed for file in data["output"].get("images", ())], seen)

    def wait_for_pictures(self) -> None:
        """Until those of the nodes and of the page are loaded and drawn."""
        self.page.wait_for_function(LOADED)
        self.page.wait_for_timeout(1000)

    def screenshot(self, path: Path | None = None, node: str | None = None) -> bytes:
        """Of the window, or of one node of that type, on the canvas."""
        if node is None:
            return self.page.screenshot(path=path)
        x, y, width, height = self.page.evaluate(BOX, node)
        return self.page.screenshot(path=path, clip={"x": x, "y": y, "width": width, "height": height})

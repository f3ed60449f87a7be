"""A real ComfyUI server on this machine, driven as its front end drives it: HTTP and a websocket.

Which one: COMFYUI_DIR names a checkout and COMFYUI_PYTHON the interpreter that has what its requirements.txt asks for;
without them it is the one that scripts/comfyui_environment.py makes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(os.environ.get("COMFYUI_DIR", ROOT / "build" / "comfyui"))
PYTHON = Path(os.environ.get("COMFYUI_PYTHON", ROOT / ".venv-comfy" / "bin" / "python"))
FLAGS = ("--cpu", "--disable-auto-launch", "--disable-api-nodes", "--database-url", "sqlite:///:memory:")
ENDS = {"execution_success", "execution_error", "execution_interrupted"}
NOT_LOADED = ("IMPORT FAILED", "Cannot import", "Error while calling comfy_entrypoint", "Traceback")


class Server:
    """`with Server(source, python, base) as server`: base has custom_nodes, models, input and output.

    front_end: the folder with ComfyUI's own index.html; without one the page is empty, which HTTP does not need.
    """

    def __init__(self, source: Path, python: Path, base: Path, *flags: str, front_end: Path | None = None):
        self.source, self.python, self.base, self.flags = source, python, base, flags
        self.front_end = front_end or base / "front"
        self.log = base / "comfyui.log"

    def __enter__(self) -> Server:
        for name in ("custom_nodes", "models", "input", "output", "temp", "user", "front"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        (self.base / "front" / "index.html").write_text("<html></html>")
        port = _free_port()
        self.address = f"127.0.0.1:{port}"
        command = [self.python, "-s", "main.py", *FLAGS, "--listen", "127.0.0.1", "--port", port]
        command += ["--base-directory", self.base, "--front-end-root", self.front_end, *self.flags]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            list(map(str, command)),
            cwd=self.source,
            env=environment,
            stdout=open(self.log, "w"),
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            self._wait(seconds=180)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, path: str, **query: str) -> Any:
        with urllib.request.urlopen(
            f"http://{self.address}{path}?{urllib.parse.urlencode(query)}", timeout=60
        ) as answer:
            body = answer.read()
            return json.loads(body) if "json" in answer.headers.get("Content-Type", "") else body

    def post(self, path: str, data: Any) -> tuple[int, Any]:
        request = urllib.request.Request(f"http://{self.address}{path}", json.dumps(data).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _json(error.read())

    def run(self, prompt: dict, interrupt: Callable[[str, dict], bool] | None = None) -> Run:
        """Queues a prompt and waits for its end. interrupt: asked at every event whether to cancel now."""
        from websockets.sync.client import connect  # the rest needs nothing that is not Python's own

        client = uuid.uuid4().hex
        with connect(f"ws://{self.address}/ws?clientId={client}", max_size=None) as socket:
            began = time.perf_counter()
            status, answer = self.post("/prompt", {"prompt": prompt, "client_id": client})
            if status != 200:
                return Run("rejected", error=answer)
            run, cancelled = Run("", prompt_id=answer["prompt_id"]), None
            while True:
                message = socket.recv(timeout=300)
                if isinstance(message, bytes):
                    run.previews.append(message)
                    continue
                event = json.loads(message)
                kind, data = event["type"], event["data"]
                if data.get("prompt_id", run.prompt_id) != run.prompt_id:
                    continue
                run.events.append((kind, data))
                if cancelled is None and interrupt and interrupt(kind, data):
                    cancelled = time.perf_counter()
                    self.post("/interrupt", {"prompt_id": run.prompt_id})
                if kind in ENDS:
                    run.status, run.seconds = kind.split("_")[1], time.perf_counter() - began
                    run.error = data if kind == "execution_error" else None
                    run.latency = cancelled and time.perf_counter() - cancelled
                    return run

    def images(self, run: Run) -> list[bytes]:
        """The files that the run's nodes saved."""
        for _ in range(100):  # history is written just after the last event
            if history := self.get(f"/history/{run.prompt_id}"):
                break
            time.sleep(0.02)
        outputs = history[run.prompt_id]["outputs"].values()
        files = [file for output in outputs for file in output.get("images", ())]
        return [self.get("/view", **{key: file[key] for key in ("filename", "subfolder", "type")}) for file in files]

    @property
    def memory(self) -> int:
        """Resident bytes."""
        fields = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in fields if line.startswith("VmRSS"))

    def not_loaded(self) -> list[str]:
        return [
            line for line in self.log.read_text(errors="replace").splitlines() if any(w in line for w in NOT_LOADED)
        ]

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError(f"ComfyUI did not start:\n{self.log.read_text(errors='replace')[-4000:]}")


@dataclass
class Run:
    status: str  # success, error, interrupted, or rejected: not valid
    prompt_id: str = ""
    events: list[tuple[str, dict]] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)  # after 8 bytes that say what it is, a picture
    error: Any = None
    seconds: float = 0.0
    latency: float | None = None  # from the request to cancel to the end

    def of(self, kind: str) -> list[dict]:
        return [data for name, data in self.events if name == kind]


def front_end(python: Path) -> Path | None:
    """Where the environment of `python` has ComfyUI's front end (the package comfyui-frontend-package), if it has."""
    return next(python.parents[1].glob("lib/python*/site-packages/comfyui_frontend_package/static"), None)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _json(body: bytes) -> Any:
    return json.loads(body) if body else None

"""A hub of one process on 127.0.0.1 that serves local folders as repositories, as much of its API as loading and
pushing need."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

COMMIT = "a" * 40
TOKEN = "hf_token_that_may_write"


@contextmanager
def fake_hub(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serve each folder root/owner/name as model owner/name ("gated" owners are gated); yields the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            path = self.path.partition("?")[0]
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/main)?", path):
                self._model(found[1])
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/(?:main|a{40})/(.+)", path):
                self._file(found[1], found[2])
            else:
                self._refuse(404, "EntryNotFound")

        do_HEAD = do_GET

        def do_POST(self) -> None:
            asked.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._refuse(403, "Forbidden")
            elif self.path == "/api/repos/create":
                asked_for = json.loads(body)
                name = f"{asked_for['organization']}/{asked_for['name']}"
                (root / name).mkdir(parents=True, exist_ok=True)
                self._answer(200, json.dumps({"url": f"{constants.ENDPOINT}/{name}", "id": name}).encode())
            elif self.path.endswith("/preupload/main"):
                files = [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for f in json.loads(body)["files"]
                ]
                self._answer(200, json.dumps({"files": files}).encode())
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", self.path):
                self._commit(found[1], [json.loads(line) for line in body.splitlines()])
            else:
                self._refuse(404, "EntryNotFound")

        def _commit(self, name: str, lines: list[dict]) -> None:
            for value in (line["value"] for line in lines if line["key"] == "file"):
                (root / name / value["path"]).write_bytes(base64.b64decode(value["content"]))
            done = {"commitUrl": f"{constants.ENDPOINT}/{name}/commit/{COMMIT}", "commitOid": COMMIT}
            self._answer(200, json.dumps(done).encode())

        def _model(self, name: str) -> None:
            if self._known(name):
                files = [{"rfilename": f.name, "size": f.stat().st_size} for f in sorted((root / name).iterdir())]
                facts = {"_id": name, "id": name, "modelId": name, "sha": COMMIT, "siblings": files, "private": False}
                self._answer(200, json.dumps(facts | {"tags": [], "downloads": 0, "likes": 0}).encode())

        def _file(self, name: str, file: str) -> None:
            if not self._known(name):
                return
            path = root / name / file
            if not path.is_file():
                return self._refuse(404, "EntryNotFound")
            body, status = path.read_bytes(), 200
            if asked_range := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
                body = body[int(asked_range[1]) : int(asked_range[2]) + 1 if asked_range[2] else None]
                status = 206
            self._answer(status, body)

        def _known(self, name: str) -> bool:
            if name.startswith("gated/"):
                self._refuse(403, "GatedRepo")
            elif not (root / name).is_dir():
                self._refuse(401, "RepoNotFound")
            else:
                return True
            return False

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hash(body) & (2**64 - 1):016x}"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()

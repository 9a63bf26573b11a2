"""A reward server as the field builds them today, on the same judge: one blocking HTTP request an image.

Written from the practice that their public code shows, none of it copied: the LR and one candidate travel as JPEG
(quality 75) in a pickled body; the server takes one request at a time and prefills it alone; the judge writes its
scores as text, `TOKENS` of them, which are parsed; a client with several workers asks them in turn (here one worker,
as there is one engine), waiting for each answer.
"""

import io
import pickle
import re
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.reward_offline import OfflineJudge
from oars.config import JudgeConfig
from oars.imaging.image_io import Pixels
from reward_server.pictures import Group, View, prepare
from services.bench.requests import Groups

TOKENS = 8  # "F 0.8 Q 4.2" and the like
QUALITY = 75


def as_jpeg(pixels: Pixels, quality: int = QUALITY) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def of_jpeg(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


class PeerServer:
    """Serves until `close`; on this machine alone, because it unpickles what it is sent."""

    def __init__(self, judge: OfflineJudge, config: JudgeConfig) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                lr, sr = pickle.loads(self.rfile.read(int(self.headers["Content-Length"])))
                group = prepare(of_jpeg(lr), [of_jpeg(sr)], config)
                assert isinstance(group, Group)
                views = [group.lr, *(view for view in group.candidates if isinstance(view, View))]
                text = judge.text(views, judge.prompts.transition, TOKENS)
                body = pickle.dumps([float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)])
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._url = f"http://127.0.0.1:{self._server.server_port}/"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def pairs_per_s(self, groups: Groups, first: int, count: int) -> float:
        """Pairs a second over `count` groups, image after image."""
        chosen = [groups[number] for number in range(first, first + count)]
        begun = time.perf_counter()
        for group in chosen:
            for candidate in group.candidates:
                body = pickle.dumps((as_jpeg(group.lr), as_jpeg(candidate)))
                with self._opener.open(urllib.request.Request(self._url, body)) as answer:
                    pickle.loads(answer.read())
        return sum(len(group.candidates) for group in chosen) / (time.perf_counter() - begun)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

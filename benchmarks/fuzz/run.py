"""Sends bad inputs to both gateways at once, with good requests in between whose answers are known."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import numpy as np

from benchmarks.fuzz import requests
from benchmarks.fuzz.pictures import good
from benchmarks.fuzz.report import Report
from benchmarks.fuzz.requests import GoodGroup
from benchmarks.fuzz.sockets import Address, garbage, send_garbage, send_slowly
from oars.compass.outcome import Judged
from oars.config import RewardClientConfig
from reward_server.client import CompassClient
from reward_server.proto import compass_pb2 as pb
from reward_server.proto.convert import read_response
from reward_server.schema import ScoreResponse

SCORE = "/oars.compass.v1.Compass/Score"
_SIDE = 64
_TIMEOUT_S = 120.0
# Batches of another composition round otherwise, in bfloat16: a tenth of what separates two candidates.
_TOLERANCE = {"fidelity": 0.02, "q_lr": 0.08, "q_sr": 0.08}
_GOOD_EVERY = 40
_METHODS = ("Score", "Describe", "score", "Nothing", "../Score", "")


@dataclass(frozen=True)
class Target:
    """Addresses of one COMPASS's gateways."""

    host: str
    http_port: int
    grpc_port: int
    read_timeout_s: float
    token: str | None = None

    def client(self, scheme: str, token_file: Path | None) -> CompassClient:
        port = self.http_port if scheme == "http" else self.grpc_port
        endpoint = f"{scheme}://{self.host}:{port}"
        return CompassClient(RewardClientConfig(endpoint=endpoint, token_file=token_file, deadline_s=_TIMEOUT_S))


class Fuzz:
    """One seeded run. `at_once` inputs are under way at any time."""

    def __init__(self, target: Target, token_file: Path | None, seed: int, at_once: int = 12) -> None:
        self.report = Report()
        self._target, self._seed = target, seed
        self._room = asyncio.Semaphore(at_once)
        draw = np.random.default_rng(seed)
        self._group = GoodGroup(good(draw, _SIDE)[::4, ::4], good(draw, _SIDE))
        self._known: Judged | None = None
        self._clients = [target.client(scheme, token_file) for scheme in ("http", "grpc")]
        bearer = {"authorization": f"Bearer {target.token}"} if target.token else {}
        self._metadata = tuple(bearer.items())
        self._http = httpx.AsyncClient(
            base_url=f"http://{target.host}:{target.http_port}", headers=bearer, timeout=_TIMEOUT_S, trust_env=False
        )
        self._channel = grpc.aio.insecure_channel(
            f"{target.host}:{target.grpc_port}", [("grpc.max_send_message_length", -1)]
        )

    async def run(self, inputs: int) -> Report:
        """About `inputs` bad ones, in families of fixed shares."""
        self._known = await self._good(self._clients[0])
        shares: Sequence[tuple[str, float, Callable[[np.random.Generator], Awaitable[str]]]] = (
            ("http: bad pictures beside a good one", 0.10, self._http_neighbours),
            ("http: bad LR", 0.08, self._http_bad_lr),
            ("http: wrong JSON", 0.29, self._http_wrong),
            ("http: no HTTP at all", 0.10, self._http_garbage),
            ("http: a body or headers without end", 0.004, self._http_slow),
            ("grpc: bad pictures beside a good one", 0.10, self._grpc_neighbours),
            ("grpc: wrong messages", 0.27, self._grpc_wrong),
            ("grpc: wrong calls", 0.05, self._grpc_odd_call),
            ("grpc: a message that does not come", 0.004, self._grpc_slow),
        )
        async with asyncio.TaskGroup() as tasks:
            for number, (family, share, send) in enumerate(shares):
                tasks.create_task(self._family(family, send, max(2, round(share * inputs)), number))
        for client in self._clients:
            await self._good(client)
            await client.close()
        await self._http.aclose()
        await self._channel.close()
        return self.report

    async def _family(self, family: str, send: Callable[..., Awaitable[str]], count: int, number: int) -> None:
        async def one(k: int) -> None:
            async with self._room:
                self.report.add(family, await send(np.random.default_rng((self._seed, number, k))))
                if k % _GOOD_EVERY == 0:
                    await self._good(self._clients[k // _GOOD_EVERY % 2])

        # In slices, so that a large count is not as many tasks at once.
        for start in range(0, count, 200):
            await asyncio.gather(*(one(k) for k in range(start, min(count, start + 200))))

    async def _good(self, client: CompassClient) -> Judged | None:
        group = self._group
        [outcome] = (await client.score("good", group.lr, group.candidate[None])).outcomes
        self.report.good += 1
        if not isinstance(outcome, Judged):
            self.report.faults.append(f"a good request got {outcome}")
            return None
        self._check(outcome)
        return outcome

    def _check(self, outcome: Any) -> None:
        if self._known is None:
            return
        if not isinstance(outcome, Judged):
            self.report.faults.append(f"a good candidate got {outcome}")
            return
        for name, tolerance in _TOLERANCE.items():
            got, known = outcome.readings[name], self._known.readings[name]
            if abs(got - known) > tolerance:
                self.report.faults.append(f"a good candidate's {name} is {got}, was {known}")

    async def _post(self, body: bytes, good_first: bool = False) -> str:
        try:
            answer = await self._http.post("/v1/score", content=body, headers={"content-type": "application/json"})
        except httpx.TransportError as error:
            return type(error).__name__
        if answer.status_code == httpx.codes.OK and good_first:
            self._check(ScoreResponse.model_validate_json(answer.content).outcomes[0])
        return str(answer.status_code)

    async def _call(self, data: bytes, good_first: bool = False, method: str = SCORE, timeout: float = 60.0) -> str:
        call = self._channel.unary_unary(method, None, pb.ScoreResponse.FromString)
        try:
            answer = await call(data, timeout=timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        if good_first:
            self._check(read_response(answer).outcomes[0])
        return "OK"

    async def _http_neighbours(self, draw: np.random.Generator) -> str:
        return await self._post(await asyncio.to_thread(requests.bad_neighbours_json, draw, self._group), True)

    async def _http_bad_lr(self, draw: np.random.Generator) -> str:
        return await self._post(await asyncio.to_thread(requests.bad_lr_json, draw, self._group))

    async def _http_wrong(self, draw: np.random.Generator) -> str:
        return await self._post(requests.wrong_json(draw, self._group))

    async def _http_garbage(self, draw: np.random.Generator) -> str:
        return await send_garbage(self._address(), garbage(draw, self._target.token))

    async def _http_slow(self, draw: np.random.Generator) -> str:
        patience_s = 6 * self._target.read_timeout_s + 10
        return await send_slowly(self._address(), self._target.token, bool(draw.random() < 0.5), patience_s)

    async def _grpc_neighbours(self, draw: np.random.Generator) -> str:
        return await self._call(await asyncio.to_thread(requests.bad_neighbours_message, draw, self._group), True)

    async def _grpc_wrong(self, draw: np.random.Generator) -> str:
        return await self._call(requests.wrong_message(draw, self._group))

    async def _grpc_odd_call(self, draw: np.random.Generator) -> str:
        """Methods that are not there, deadlines that have passed, several messages, or none."""
        match int(draw.integers(4)):
            case 0:
                return await self._call(b"", method=f"/oars.compass.v1.Compass/{draw.choice(_METHODS)}")
            case 1:
                return await self._call(self._group.message().SerializeToString(), timeout=float(draw.uniform(0, 0.01)))
            case 2:
                return await self._call(draw.bytes(100), method="/grpc.health.v1.Health/Check")
            case _:
                return await self._stream([self._group.message().SerializeToString()] * int(draw.choice([0, 2, 20])))

    async def _stream(self, messages: list[bytes]) -> str:
        call = self._channel.stream_unary(SCORE, None, pb.ScoreResponse.FromString)
        try:
            await call(iter(messages), timeout=60.0, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    async def _grpc_slow(self, draw: np.random.Generator) -> str:
        call = self._channel.stream_unary(SCORE, None, None)(
            timeout=6 * self._target.read_timeout_s + 10, metadata=self._metadata
        )
        started = asyncio.get_running_loop().time()
        try:
            await call
        except grpc.aio.AioRpcError as error:
            # The client's own deadline would look the same: the server has to be the first.
            early = asyncio.get_running_loop().time() - started < 6 * self._target.read_timeout_s
            return error.code().name if early else "open"
        return "OK"

    def _address(self) -> Address:
        return Address(self._target.host, self._target.http_port)

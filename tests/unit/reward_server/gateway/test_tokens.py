"""Tokens: known ones name their client, all others are nobody; a gateway that needs them does not open without."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oars.config import GatewayConfig
from reward_server.errors import BadSetting
from reward_server.gateway.tokens import TOKENS_VARIABLE, TokenSource, parse_tokens

ALICE, BOB = "alice-0123456789abcdef", "bob-0123456789abcdef"
TEXT = f"# who token expires\nalice {ALICE}\n\nbob {BOB} 2030-01-02\n"
EXPIRY = datetime(2030, 1, 2, tzinfo=UTC).timestamp()


def test_a_known_token_names_its_client_until_it_expires() -> None:
    tokens = parse_tokens(TEXT, "file")
    assert tokens.client(f"Bearer {ALICE}", 4e9) == "alice"
    assert tokens.client(f"bearer  {BOB} ", EXPIRY - 1) == "bob"
    assert tokens.client(f"Bearer {BOB}", EXPIRY) is None


@pytest.mark.parametrize("offered", [None, "", "Bearer", "Bearer ", ALICE, f"Basic {ALICE}", f"Bearer {ALICE}x"])
def test_anything_else_is_nobody(offered: str | None) -> None:
    assert parse_tokens(TEXT, "file").client(offered, 0) is None


@given(st.text(max_size=40))
def test_no_random_text_is_somebody(offered: str) -> None:
    assert parse_tokens(TEXT, "file").client(f"Bearer {offered}", 0) is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no tokens"),
        ("alice", "line 1: expected `name token .expires.`, got 1 words"),
        ("\na b c d", "line 2: .*got 4 words"),
        ("alice short", "line 1: the token of 'alice' is shorter than 16"),
        (f"alice {ALICE} tomorrow", "'tomorrow' is no ISO date"),
    ],
)
def test_a_bad_file_is_one_line_without_the_token(text: str, what: str) -> None:
    with pytest.raises(BadSetting, match=f"^f: .*{what}|^f: {what}") as error:
        parse_tokens(text, "f")
    assert ALICE not in str(error.value) and "\n" not in str(error.value)


def test_a_changed_file_is_read_again_and_a_broken_one_keeps_the_last(tmp_path: Path) -> None:
    path = tmp_path / "tokens"

    def write(text: str, moment: int) -> None:
        path.write_text(text)
        os.utime(path, (moment, moment))

    write(f"alice {ALICE}", 1)
    source = TokenSource(GatewayConfig(tokens=path), {})

    def client(token: str) -> str | None:
        tokens = source.now()
        assert tokens is not None
        return tokens.client(f"Bearer {token}", 0)

    assert (client(ALICE), client(BOB)) == ("alice", None)
    write(f"bob {BOB}", 2)
    assert (client(ALICE), client(BOB)) == (None, "bob")
    write("broken", 3)
    assert client(BOB) == "bob"
    path.unlink()
    assert client(BOB) == "bob"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "some.host"])
def test_a_gateway_open_to_others_needs_tokens(host: str) -> None:
    with pytest.raises(BadSetting, match=f"^host: {host} is open to others and needs tokens"):
        TokenSource(GatewayConfig(host=host), {})
    assert TokenSource(GatewayConfig(host=host), {TOKENS_VARIABLE: f"alice {ALICE}"}).now() is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_nobody_needs_a_token(host: str) -> None:
    assert TokenSource(GatewayConfig(host=host), {}).now() is None


def test_a_missing_token_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^tokens: .*gone cannot be read: No such file"):
        TokenSource(GatewayConfig(tokens=tmp_path / "gone"), {})

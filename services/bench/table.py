"""A measurement as people read it."""

from rich.table import Table

from services.bench.account import Account, EngineAccount, Latency


def load_table(account: Account, engine: EngineAccount | None) -> Table:
    table = Table("COMPASS under load", "", show_header=True)
    for name, value in [*_requests(account), *(_engine(engine) if engine else [])]:
        table.add_row(name, value)
    return table


def _requests(account: Account) -> list[tuple[str, str]]:
    ends = ", ".join(f"{count} {end}" for end, count in account.requests.items() if count)
    failed = ", ".join(f"{count} {reason}" for reason, count in account.failed.items())
    return [
        ("requests", ends or "none"),
        ("pairs/s", f"{account.pairs_per_s:.1f}"),
        ("latency p50, p95, p99", _latency(account.latency)),
        ("shed", f"{account.shed_rate:.1%}"),
        ("pairs without a score", failed or "none"),
        ("judge", ", ".join(f"{judge[:12]} ({count})" for judge, count in account.judges.items()) or "-"),
        ("replicas", str(account.replicas)),
    ]


def _latency(latency: Latency) -> str:
    values = (latency.p50, latency.p95, latency.p99)
    return ", ".join("-" if value is None else f"{value * 1000:.0f} ms" for value in values)


def _engine(engine: EngineAccount) -> list[tuple[str, str]]:
    return [
        ("prompts a step", f"{engine.prompts_per_step:.1f} mean, {engine.largest_batch} most, {engine.steps} steps"),
        ("prompt tokens from the prefix cache", f"{engine.shared_tokens:.1%}"),
        ("pictures preprocessed before", f"{engine.known_pictures:.1%}"),
        ("pictures encoded", str(engine.pictures_encoded)),
        ("answers from memory", str(engine.score_cache)),
    ]

"""The ledger's schema, and the rules that a schema cannot express. Pure SQL; it only reads."""

import sqlite3

SCHEMA = """
CREATE TABLE IF NOT EXISTS drivers (
    driver INTEGER PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, at REAL NOT NULL,
    seconds TEXT) STRICT;
CREATE TABLE IF NOT EXISTS groups (
    group_id TEXT PRIMARY KEY, ordinal INTEGER NOT NULL UNIQUE, stage TEXT NOT NULL, input INTEGER NOT NULL,
    image_id TEXT NOT NULL, seed INTEGER NOT NULL, version INTEGER NOT NULL, at REAL NOT NULL,
    UNIQUE (stage, input)) STRICT;
CREATE TABLE IF NOT EXISTS attempts (
    group_id TEXT NOT NULL REFERENCES groups, attempt INTEGER NOT NULL, driver INTEGER NOT NULL REFERENCES drivers,
    at REAL NOT NULL, error TEXT, PRIMARY KEY (group_id, attempt)) STRICT;
CREATE TABLE IF NOT EXISTS samples (
    group_id TEXT NOT NULL, attempt INTEGER NOT NULL, worker TEXT NOT NULL, version INTEGER NOT NULL,
    digest TEXT NOT NULL, bound_tensors INTEGER NOT NULL, queued REAL NOT NULL, seconds TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (group_id, attempt), FOREIGN KEY (group_id, attempt) REFERENCES attempts) STRICT;
CREATE TABLE IF NOT EXISTS scorings (
    group_id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, provenance TEXT NOT NULL, at REAL NOT NULL,
    FOREIGN KEY (group_id, attempt) REFERENCES samples) STRICT;
CREATE TABLE IF NOT EXISTS scores (
    group_id TEXT NOT NULL REFERENCES scorings, candidate INTEGER NOT NULL, failure TEXT, readings TEXT, reward REAL,
    PRIMARY KEY (group_id, candidate),
    CHECK ((failure IS NULL) = (readings IS NOT NULL AND reward IS NOT NULL))) STRICT;
CREATE TABLE IF NOT EXISTS steps (
    step INTEGER PRIMARY KEY, stage TEXT NOT NULL, at REAL NOT NULL, done REAL) STRICT;
CREATE TABLE IF NOT EXISTS leases (
    group_id TEXT PRIMARY KEY REFERENCES scorings, step INTEGER NOT NULL REFERENCES steps,
    staleness INTEGER NOT NULL CHECK (staleness >= 0)) STRICT;
CREATE TABLE IF NOT EXISTS versions (
    version INTEGER NOT NULL, digest TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (version, digest)) STRICT;
CREATE TABLE IF NOT EXISTS exits (
    group_id TEXT PRIMARY KEY REFERENCES groups, reason TEXT, detail TEXT, step INTEGER REFERENCES steps,
    staleness INTEGER, at REAL NOT NULL, CHECK ((reason IS NULL) = (step IS NOT NULL))) STRICT;
"""

NO_EXIT = "SELECT group_id FROM groups WHERE group_id NOT IN (SELECT group_id FROM exits)"

# Each finds what breaks one rule; the text is what the rule's breach is called.
_RULES = {
    "trained without a lease": "SELECT group_id FROM exits WHERE reason IS NULL "
    "AND group_id NOT IN (SELECT group_id FROM leases)",
    "trained in a step that was never done": "SELECT group_id FROM exits JOIN steps USING (step) WHERE done IS NULL",
    "dropped after it was leased": "SELECT group_id FROM exits JOIN leases USING (group_id) WHERE reason IS NOT NULL",
    "scored by an attempt that failed": "SELECT group_id FROM scorings JOIN attempts USING (group_id, attempt) "
    "WHERE error IS NOT NULL",
    "scored without any candidate": "SELECT group_id FROM scorings WHERE group_id NOT IN (SELECT group_id FROM scores)",
    "has a score that no judge gave": "SELECT DISTINCT group_id FROM scores JOIN scorings USING (group_id) "
    "WHERE failure IS NULL AND json_extract(provenance, '$.replica') IS NULL",
    "sampled with a version that was never published": "SELECT group_id FROM samples "
    "WHERE digest NOT IN (SELECT digest FROM versions v WHERE v.version = samples.version)",
    "sampled by a worker that went back to an older version": "SELECT group_id FROM (SELECT group_id, version, "
    "MAX(version) OVER (PARTITION BY worker ORDER BY rowid) AS newest FROM samples) WHERE version < newest",
    "is a version published after a newer one": "SELECT 'version ' || version FROM (SELECT version, "
    "MAX(version) OVER (ORDER BY rowid) AS newest FROM versions) WHERE version < newest",
}
_LOST = {"admitted but never left": NO_EXIT}


def violations(ledger: sqlite3.Connection, final: bool) -> list[str]:
    """One line per broken rule and group; `final` adds that nothing may be in flight any more."""
    rules = _RULES | (_LOST if final else {})
    return [f"group {group}: {what}" for what, query in rules.items() for (group,) in ledger.execute(query)]

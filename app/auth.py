"""API keys: ``hub_<8 id>_<32 random>``. Only the SHA-256 of the random part is stored; it has entropy enough.

``python -m app.auth create NAME | list | revoke ID`` keeps them on the machine that has the database.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sys
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.clock import now, rfc3339
from app.context import TheHub
from app.db import keys
from app.db.engine import Database
from app.db.tables import ApiKey
from app.problems import Problem
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a key's id, or None when the service asks for no keys and everybody sees everything."""

    owner: str | None


def create(db: Database, name: str) -> str:
    """A new key; this is the only time that it can be read."""
    key_id, secret = secrets.token_hex(4), secrets.token_hex(16)
    with db.write() as session:
        keys.add(session, ApiKey(id=key_id, name=name, secret=_digest(secret), created_at=now()))
    return f"hub_{key_id}_{secret}"


def check(db: Database, presented: str) -> str | None:
    """The id of a key in force, or None."""
    prefix, _, rest = presented.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != "hub" or not key_id or not secret:
        return None
    with db.read() as session:
        key = keys.get(session, key_id)
    if key is None or key.revoked_at is not None or not hmac.compare_digest(key.secret, _digest(secret)):
        return None
    return key.id


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _principal(request: Request, hub: TheHub) -> Principal:
    """Runs before a body is touched: upload routes take the bare request."""
    if hub.settings.auth == "off":
        return Principal(None)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    presented = bearer.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    owner = check(hub.db, presented) if presented else None
    if owner is None:
        told = "The API key is not valid" if presented else "This service needs an API key"
        raise Problem("unauthorized", told, headers={"WWW-Authenticate": 'Bearer realm="onnxhub"'})
    return Principal(owner)


Caller = Annotated[Principal, Depends(_principal)]


def main(arguments: list[str], settings: Settings) -> int:
    db = Database(settings.database)
    settings.home.mkdir(parents=True, exist_ok=True)
    db.migrate()
    match arguments:
        case ["create", name]:
            print(create(db, name))
        case ["list"]:
            with db.read() as session:
                for key in keys.listing(session):
                    state = f"revoked {rfc3339(key.revoked_at)}" if key.revoked_at else "in force"
                    print(f"{key.id}  {rfc3339(key.created_at)}  {state}  {key.name}")
        case ["revoke", key_id]:
            with db.write() as session:
                if not keys.revoke(session, key_id):
                    print(f"there is no key {key_id} in force", file=sys.stderr)
                    return 1
        case _:
            print("usage: python -m app.auth create NAME | list | revoke ID", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Settings()))

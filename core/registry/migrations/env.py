"""How Alembic reaches the registry: over the connection that `core.registry.database` gives it."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlmodel import AutoString, SQLModel

from core.registry.rows import UtcDateTime


def _render(kind: str, value: Any, _: Any) -> str | Literal[False]:
    """Our own type and SQLModel's as a migration writes them; the rest as Alembic does."""
    if kind == "type" and isinstance(value, UtcDateTime):
        return "UtcDateTime()"
    return "sa.String()" if kind == "type" and isinstance(value, AutoString) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    compare_type=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()

"""Registry: everything that is kept beside the data, behind one object (docs/registry.md)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from core.registry.audiences import Audiences
from core.registry.audit import AuditLog
from core.registry.calculations import Calculations
from core.registry.data import DataSettings
from core.registry.database import Database
from core.registry.desk import Drafts, Mappings
from core.registry.loads import Loads
from core.registry.memberships import MembershipFiles
from core.registry.people import People, add_local
from core.registry.settings import Settings
from core.registry.versions import Versions


class Registry:
    """The services over one registry. Safe for threads; other processes may have it open too."""

    def __init__(self, database: Database, memberships: Path) -> None:
        self._database = database
        self.people = People(database)
        self.audit = AuditLog(database)
        self.calculations = Calculations(database, MembershipFiles(memberships))
        self.audiences = Audiences(database, self.calculations)
        self.versions = Versions(database, self.audiences)
        self.data = DataSettings(database)
        self.loads = Loads(database)
        self.drafts = Drafts(database)
        self.mappings = Mappings(database)
        self.settings = Settings(database)

    @classmethod
    def open(cls, url: str, *, memberships: Path, at: datetime) -> Registry:
        """The registry at an SQLAlchemy URL, brought to this program's version first; `memberships` is the folder of
        the members. A new one has one local Admin. RegistryError where it cannot be used."""
        database = Database(url)
        database.migrate()
        with database.writing() as session:
            add_local(session, at)
        return cls(database, memberships)

    def close(self) -> None:
        """Close its connections."""
        self._database.close()

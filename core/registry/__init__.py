"""The registry: audiences, calculations, loads, people and what they changed. Services in, frozen values out."""

from __future__ import annotations

from core.registry.registry import Registry
from core.registry.values import (
    ACCESSES,
    FORMATS,
    ROLES,
    STATUSES,
    Access,
    Account,
    AudienceSummary,
    AuditEntry,
    Calculation,
    Change,
    Draft,
    Load,
    Person,
    RememberedMapping,
    Role,
    SavedAudience,
    Size,
    Status,
    Version,
    VersionDiff,
)

__all__ = [
    "ACCESSES",
    "FORMATS",
    "ROLES",
    "STATUSES",
    "Access",
    "Account",
    "AudienceSummary",
    "AuditEntry",
    "Calculation",
    "Change",
    "Draft",
    "Load",
    "Person",
    "Registry",
    "RememberedMapping",
    "Role",
    "SavedAudience",
    "Size",
    "Status",
    "Version",
    "VersionDiff",
]

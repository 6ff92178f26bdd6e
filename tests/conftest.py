"""Set-up shared by all tests: how many examples hypothesis tries (`--hypothesis-profile=deep` for the long run)."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": list(HealthCheck)}

# "ci" makes about 300 datasets over all: 180 against the oracle, the rest for the laws, which take a tenth each.
settings.register_profile("ci", max_examples=180, derandomize=True, **_COMMON)
settings.register_profile("deep", max_examples=10_000, **_COMMON)
settings.load_profile("ci")

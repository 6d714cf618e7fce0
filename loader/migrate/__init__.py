"""From the contract to the database: what should stand, what stands, and the way from one to
the other, without ever dropping data."""

from loader.migrate.apply import Refused, migrate
from loader.migrate.plan import Change, Plan
from loader.migrate.verify import verify_rules

__all__ = ["Change", "Plan", "Refused", "migrate", "verify_rules"]

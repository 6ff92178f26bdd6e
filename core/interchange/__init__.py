"""mParticle's audience schema 1.6 <-> ours, both ways; what one cannot say is listed with its place, never dropped."""

from core.interchange.reading import Read, from_mparticle
from core.interchange.writing import HOLE, Written, to_mparticle

__all__ = ["HOLE", "Read", "Written", "from_mparticle", "to_mparticle"]

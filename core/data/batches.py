"""mParticle batches."""

from core.data.interim.batches import load_batches

__all__ = ["load_batches"]

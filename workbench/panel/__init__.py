"""The answers beside the builder, block by block. Each block is a fragment of its own with its height reserved."""

from __future__ import annotations

from workbench.panel.blocks import draw
from workbench.panel.edits import curve_block, effect_block, has_curve
from workbench.panel.look import Look

__all__ = ["Look", "curve_block", "draw", "effect_block", "has_curve"]

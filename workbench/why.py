"""Why in, why not: an explanation as a tree of yes and no, each criterion with its evidence."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.explain import Explained, Explanation
from core.formula import letters
from core.profile import masked

YES, NO = ('<b class="yes">✓ yes</b>', '<b class="no">✗ no</b>')


def draw(explanation: Explanation, masks: bool = True) -> None:
    """The answer in one sentence, and below it the tree. `masks`: identities are not shown in full."""
    marks = ":green-badge[member]" if explanation.member else ":gray-badge[not a member]"
    st.markdown(f"**{explanation.mpid}** {marks}")
    st.markdown(explanation.summary)
    called = {leaf.path: letter for leaf, letter in zip(explanation.leaves(), letters(), strict=False)}
    st.html(f'<ul class="why" aria-label="Why in, why not">{_node(explanation.root, called, masks)}</ul>')


def _node(node: Explained, called: dict[str, str], masks: bool) -> str:
    if node.type == "not" and node.children:
        return _exclusion(node, called, masks)
    if node.evidence is None:
        below = "".join(_node(child, called, masks) for child in node.children)
        word = {"and": "all of", "or": "at least one of"}.get(node.type, node.type)
        return f"<li>{YES if node.holds else NO} <span>{word}</span><ul>{below}</ul></li>"
    return f"<li>{YES if node.holds else NO} {_leaf(node, called, masks)}</li>"


def _exclusion(node: Explained, called: dict[str, str], masks: bool) -> str:
    below = _node(node.children[0], called, masks)
    return f"<li>{YES if node.holds else NO} <span>none of</span><ul>{below}</ul></li>"


def _leaf(node: Explained, called: dict[str, str], masks: bool) -> str:
    evidence = node.evidence
    assert evidence is not None, "only criteria come here"
    decides = ' <em title="The other answer alone would change the membership">decides</em>' if node.decides else ""
    parts = [f"<span><b>{called[node.path]}</b> {escape(node.sentence)}{decides}</span>"]
    parts.append(f"<small>{escape(_sentence(evidence.text))}</small>")
    if evidence.identifying and evidence.value:
        shown = ", ".join(masked(each) if masks else each for each in evidence.value)
        parts.append(f"<small>{escape(shown)}</small>")
    if not node.holds:
        failed = next((each for each in evidence.conditions if not each.holds), None)
        before = [each.left for each in evidence.conditions if each.holds and each.left is not None]
        if failed is not None and len(evidence.conditions) > 1:
            had = f" ({before[-1]:,} before it)" if before and failed.left is not None else ""
            parts.append(f"<small>Fails at: {escape(failed.text)}{had}</small>")
    if node.holds and evidence.events:
        newest = evidence.events[0]
        parts.append(f"<small>Latest: {newest.at:%-d %b %Y %H:%M} UTC through {escape(newest.input)}</small>")
    return "".join(parts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

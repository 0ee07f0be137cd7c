"""The theme of a production service: red where others are not."""

from __future__ import annotations

from textual.theme import Theme

PRODUCTION = Theme(
    name="olearn-production",
    primary="#ff6b5e",
    secondary="#ffa07a",
    accent="#ffb454",
    foreground="#f2e3e0",
    background="#1a0d0d",
    surface="#241212",
    panel="#4a1414",
    success="#58c98b",
    warning="#f0b429",
    error="#ff5c6c",
    dark=True,
    variables={
        "block-cursor-foreground": "#1a0d0d",
        "block-cursor-background": "#ff8f80",
        "footer-background": "#5c1616",
        "border": "#a33a32",
    },
)

"""From estimates to a drawn agent: utility, law, draw, token."""

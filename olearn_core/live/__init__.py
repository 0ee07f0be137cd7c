"""What happens, told as it happens: a hub in the process, and what feeds it."""

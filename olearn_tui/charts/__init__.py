"""Pictures in terminal cells: pure functions from numbers to grids of characters and inks."""

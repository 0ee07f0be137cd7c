"""`python -m olearn_core` is `olearn`."""

from __future__ import annotations

from olearn_core.cli.app import main

if __name__ == "__main__":
    main()

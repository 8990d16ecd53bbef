"""`python -m skineval` is `skineval`."""

from skineval.cli import main

if __name__ == "__main__":
    main()

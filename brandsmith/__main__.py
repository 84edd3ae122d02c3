"""`python -m brandsmith`."""

from brandsmith.cli.main import main

if __name__ == "__main__":
    main()

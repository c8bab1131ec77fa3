"""`python -m kinowatt` is the command `kinowatt`."""

from kinowatt.app.cli import main

if __name__ == "__main__":
    main()

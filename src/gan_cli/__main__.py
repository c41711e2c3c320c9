"""`python -m gan_cli COMMAND`: the same as `gan COMMAND`."""

from gan_cli.cli import main

if __name__ == "__main__":
    main()

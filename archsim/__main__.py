"""`python -m archsim` is the `archsim` command."""

from archsim.cli.main import cli

if __name__ == "__main__":
    cli()

"""`python -m studio_pipeline.cli` is the `studio` command, for child processes that have no PATH to it."""

from studio_pipeline.cli.main import main

if __name__ == "__main__":
    main(prog_name="studio")

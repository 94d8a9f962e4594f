"""Entry point of `python -m studio_pipeline.cli`, for child processes without the command on their PATH."""

from studio_pipeline.cli.main import main

if __name__ == "__main__":
    main(prog_name="studio")

"""The service on the fake forecaster: `python fake_service.py PORT`."""

import sys

import uvicorn
from fake_forecaster import load_fake

from serving import server
from serving.app import create_app

app = create_app(load=load_fake)


def serve_fake(port: int, workers: int) -> None:
    """As `studio serve` does it."""
    server.APPLICATION = "fake_service:app"
    server.serve(port=port, workers=workers)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")

"""The service on the fake forecaster: `python fake_service.py PORT`."""

import sys

import uvicorn
from fake_forecaster import load_fake

from serving.app import create_app

if __name__ == "__main__":
    uvicorn.run(create_app(load=load_fake), port=int(sys.argv[1]), log_level="warning")

"""HTTP service of the Studio Revenue Simulator, a FastAPI application.

``app`` wires the application, ``services`` creates its parts, ``model_store`` loads releases, ``server`` runs
Uvicorn. ``routes`` call ``answers``, ``schemas`` validate, ``guards`` protect, ``cache`` and
``storage`` keep data.
"""

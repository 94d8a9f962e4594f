"""Publishing of releases: write-once folders, the pointer, pruning, rollback and backups.

Writes and reads the part of STUDIO_HOME that the service loads. Which model is published is decided in
`evaluation.promotion`. Whatever writes here raises a StorageError if the disk is full or not writable.
"""

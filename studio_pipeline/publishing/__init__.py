"""Publishing of releases: write-once folders, the pointer, pruning, rollback and backups."""

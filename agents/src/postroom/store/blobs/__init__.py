"""Message files: written once, synced, never changed."""

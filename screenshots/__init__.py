"""Pictures of the app, made from recordings of real runs: `make screenshots`."""

"""The path of a transaction: run, dispatch, content pipes, pages."""

"""Training data: corpora of functions, real edits mined from releases, streams of samples."""

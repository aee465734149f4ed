"""The parts of the training job. Importing this package, `arguments` or `failures` loads no torch: `--help` is fast."""

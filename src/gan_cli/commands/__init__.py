"""One file per command, each with `run(cfg, out)`."""

"""One folder per technology or vendor; each is a port, and its contract suite says so."""

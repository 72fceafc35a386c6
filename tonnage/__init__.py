"""The command line and the local stack: what a person starts on one machine."""

"""A file, a command or a line as the user gave it -> a job that can be run, or one sentence why not."""

"""Looks at the machine: CPU, memory, graphics cards and the process trees of our jobs, in threads of its own."""

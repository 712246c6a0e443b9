"""Advice: rules that find conflicts and hints in State and Plan; they only read, and the same facts give the same."""

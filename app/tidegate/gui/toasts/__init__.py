"""From a notice to a toast: which ones and when (``policy``), in which words (``wording``), and by what means."""

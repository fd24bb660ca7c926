"""The landing page and the pages of the problem types."""
